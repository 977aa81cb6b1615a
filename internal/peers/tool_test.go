package peers

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// verdictTB notes how a test would have ended.
type verdictTB struct {
	testing.TB
	fatal, skip string
}

func (v *verdictTB) Helper() {}

func (v *verdictTB) Fatalf(format string, args ...any) {
	v.fatal = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (v *verdictTB) Skip(args ...any) {
	v.skip = fmt.Sprint(args...)
	runtime.Goexit()
}

// ask calls Tool as a test does, and returns its result and how the test ended.
func ask(t *testing.T, name string) (string, *verdictTB) {
	v := &verdictTB{TB: t}
	var path string
	done := make(chan struct{})
	go func() {
		defer close(done)
		path = Tool(v, name, "the-package")
	}()
	<-done
	return path, v
}

func TestTool(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "some-tool")
	require.NoError(t, os.WriteFile(file, []byte("#!/bin/sh\n"), 0o755))
	t.Setenv("PATH", dir)

	for _, required := range []string{"", "1"} {
		t.Setenv(requireVar, required)
		path, v := ask(t, "some-tool")
		require.Equal(t, file, path)
		require.Empty(t, v.fatal+v.skip)
	}

	t.Setenv(requireVar, "")
	_, v := ask(t, "other-tool")
	require.Contains(t, v.skip, "other-tool is not installed (Debian package the-package)")
	require.Empty(t, v.fatal)

	t.Setenv(requireVar, "1")
	_, v = ask(t, "other-tool")
	require.Contains(t, v.fatal, "other-tool is not installed (Debian package the-package)")
	require.Contains(t, v.fatal, requireVar)
	require.Empty(t, v.skip)
}
