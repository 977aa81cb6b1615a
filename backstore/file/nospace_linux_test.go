package file

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/internal/linuxtest"
)

// TestNoSpace: what a full file system refuses is not lost, and when there is space again all goes on.
func TestNoSpace(t *testing.T) {
	const room = 64 << 10
	for name, opts := range map[string]Options{"FUA": {}, "write-through": {WriteThrough: true}} {
		t.Run(name, func(t *testing.T) {
			f := linuxtest.SmallFile(t, room)
			flags := os.O_RDWR
			if opts.WriteThrough {
				flags |= unix.O_DSYNC
			}
			again, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), flags, 0)
			require.NoError(t, err)
			opts.Size, opts.BlockSize = 1<<20, 4096
			s, err := New(again, &opts)
			require.NoError(t, err)
			defer s.Close()
			flushes, fdatasync := 0, s.h.Datasync
			s.h.Datasync = func() error { flushes++; return fdatasync() }
			ctx, block := t.Context(), [][]byte{make([]byte, 4096)}
			for off := int64(0); off < room; off += 4096 {
				require.NoError(t, s.WritevFUA(ctx, block, off))
			}
			require.Zero(t, flushes)
			require.ErrorIs(t, s.WritevFUA(ctx, block, room), backstore.ErrNoSpace)
			require.Equal(t, 1, flushes, "nobody looked whether something is lost")
			require.ErrorIs(t, s.Writev(ctx, block, room), backstore.ErrNoSpace)
			require.NoError(t, s.Flush(ctx, 0, 0))
			require.NoError(t, s.WritevFUA(ctx, block, 0), "where there is a block already")
			require.NoError(t, s.Unmap(ctx, []backstore.Extent{{Off: 4096, Len: 4096}}))
			require.NoError(t, s.WritevFUA(ctx, block, room))
		})
	}
}
