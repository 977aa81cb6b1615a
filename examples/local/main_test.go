package main

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

func TestRun(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(context.Background(), &out))
	require.Regexp(t, `^this is a GOSCST VIRTUAL DISK
10485760 bytes written, read and compared
100000 reads of 4 KiB in .*, \d+ per second
$`, out.String())
}
