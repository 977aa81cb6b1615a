package leak

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFiles(t *testing.T) {
	impatient(t)
	var r recorder
	Files(&r)
	f, err := os.CreateTemp(t.TempDir(), "left-open")
	require.NoError(t, err)
	errs := r.end()
	require.NoError(t, f.Close())
	require.Len(t, errs, 1)
	require.Contains(t, errs[0], "left-open")

	var ok recorder
	Files(&ok)
	f, err = os.Open(os.Args[0])
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.Empty(t, ok.end())
}
