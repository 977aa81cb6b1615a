package main

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/uring"
)

// allocated is how many bytes of the disk a file takes.
func allocated(t *testing.T, name string) int64 {
	t.Helper()
	var st syscall.Stat_t
	require.NoError(t, syscall.Stat(name, &st))
	return st.Blocks * 512
}

// TestThick: holes of a file that exists are allocated when its disk is not to be thin, unless nobody may
// write to it. What is in it stays.
func TestThick(t *testing.T) {
	type opener func(s *lunSpec) (backstore.Backstore, string, error)
	open := func(s *lunSpec) (backstore.Backstore, string, error) { return s.open(nil) }
	for name, tt := range map[string]struct {
		kind string
		open opener
	}{
		"file":  {"file:", open},
		"uring": {"uring:", open},
		"without a ring": {"uring:", func(s *lunSpec) (backstore.Backstore, string, error) {
			return s.openRing(nil, func(string, *uring.Options) (backstore.Backstore, error) {
				return nil, &uring.UnavailableError{Reason: "forbidden here"}
			})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			const size, used = 1 << 20, 64 << 10
			disk := filepath.Join(t.TempDir(), "disk")
			data := bytes.Repeat([]byte("thick.. "), used/8)
			require.NoError(t, os.WriteFile(disk, data, 0o600))
			require.NoError(t, os.Truncate(disk, size))
			for _, options := range []string{"", ",thin=on", ",ro,thin=off", ",thin=off"} {
				require.Less(t, allocated(t, disk), int64(size/2), "a file system without holes")
				s := parsed(t, tt.kind+disk+options)
				store, _, err := tt.open(&s)
				require.NoError(t, err)
				require.EqualValues(t, size, store.Geometry().Size)
				got := make([]byte, size)
				require.NoError(t, store.Readv(t.Context(), [][]byte{got}, 0))
				require.True(t, bytes.Equal(append(data, make([]byte, size-used)...), got))
				require.NoError(t, store.Close())
			}
			require.GreaterOrEqual(t, allocated(t, disk), int64(size))
		})
	}
}
