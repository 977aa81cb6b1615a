package mem

import (
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/linuxtest"
)

// TestHugePagesAreAskedFor: the kernel has been told of the arena of a large disk, if it has huge
// pages.
func TestHugePagesAreAskedFor(t *testing.T) {
	_, err := os.Stat("/sys/kernel/mm/transparent_hugepage")
	has := err == nil
	s := New(1 << 30)
	defer s.Close()
	write(t, s, 0, 512, 1)
	iov, release, ok := s.Lend(0, 512, nil)
	require.True(t, ok)
	flags, err := linuxtest.VMFlags(reflect.ValueOf(iov[0]).Pointer())
	require.NoError(t, err)
	require.Equal(t, has, slices.Contains(flags, "hg"))
	release()
}
