package mem

import (
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
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
	require.Equal(t, has, slices.Contains(vmFlags(t, uint64(reflect.ValueOf(iov[0]).Pointer())), "hg"))
	release()
}

// vmFlags are the flags that the kernel shows of the mapping at addr.
func vmFlags(t *testing.T, addr uint64) []string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/smaps")
	require.NoError(t, err)
	here := false
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if from, to, ok := strings.Cut(fields[0], "-"); ok {
			first, err := strconv.ParseUint(from, 16, 64)
			require.NoError(t, err)
			end, err := strconv.ParseUint(to, 16, 64)
			require.NoError(t, err)
			here = first <= addr && addr < end
		} else if here && fields[0] == "VmFlags:" {
			return fields[1:]
		}
	}
	return nil
}
