package linuxtest

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestSmallFile: it takes what there is room for, and no path leads to it.
func TestSmallFile(t *testing.T) {
	f := SmallFile(t, 64<<10)
	_, err := f.WriteAt(make([]byte, 32<<10), 1<<20)
	require.NoError(t, err)
	_, err = f.WriteAt(make([]byte, 64<<10), 0)
	require.ErrorIs(t, err, unix.ENOSPC)
	_, err = os.Stat(f.Name())
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestVMFlags(t *testing.T) {
	flags, err := VMFlags(0)
	require.NoError(t, err)
	require.Empty(t, flags, "nothing is there")
}
