package local_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/fabric/local"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
)

func openDisk(t testing.TB, h scsi.Handler) *local.Disk {
	t.Helper()
	d, err := serve(t, h).Disk(bg, 0)
	require.NoError(t, err)
	return d
}

// TestDiskIsMemory runs random operations against the disk and against a slice.
func TestDiskIsMemory(t *testing.T) {
	for _, block := range []int{512, 4096} {
		const size = 1 << 20
		d := openDisk(t, disk.New(mem.New(size), &disk.Options{BlockSize: block, MaxTransfer: 64 << 10}))
		require.Equal(t, block, d.BlockSize())
		require.Equal(t, int64(size), d.Size())
		model := make([]byte, size)
		rnd := rand.New(rand.NewPCG(2, uint64(block)))
		for range 200 {
			off := rnd.IntN(size)
			n := min(rnd.IntN(1<<rnd.IntN(19)+1), size-off)
			switch rnd.IntN(4) {
			case 0:
				require.NoError(t, d.Discard(bg, int64(off), int64(n)))
				first, last := (off+block-1)/block*block, (off+n)/block*block
				if first < last {
					clear(model[first:last]) // memory reads as zeroes where it is unmapped
				}
			case 1:
				p := make([]byte, n)
				got, err := d.ReadAt(p, int64(off))
				require.NoError(t, err)
				require.Equal(t, n, got)
				require.True(t, bytes.Equal(model[off:off+n], p))
			default:
				p := model[off : off+n]
				for i := range p {
					p[i] = byte(rnd.Uint32())
				}
				got, err := d.WriteAt(p, int64(off))
				require.NoError(t, err)
				require.Equal(t, n, got)
			}
		}
		require.NoError(t, d.Sync(bg))
		require.NoError(t, iotest.TestReader(io.NewSectionReader(d, 100, 20000), model[100:20100]))
	}
}

func TestDiskEnds(t *testing.T) {
	d := openDisk(t, disk.New(mem.New(1<<20), nil))
	p := make([]byte, 1000)
	n, err := d.ReadAt(p, 1<<20-10)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, 10, n)
	n, err = d.ReadAt(p, 1<<20)
	require.ErrorIs(t, err, io.EOF)
	require.Zero(t, n)
	n, err = d.ReadAt(nil, 1<<30)
	require.NoError(t, err)
	require.Zero(t, n)
	for _, off := range []int64{-1, 1<<20 - 999, 1 << 62} {
		n, err = d.WriteAt(p, off)
		require.ErrorIs(t, err, local.ErrOutOfRange)
		require.Zero(t, n)
		require.ErrorIs(t, d.Discard(bg, off, 1000), local.ErrOutOfRange)
	}
	_, err = d.ReadAt(p, -1)
	require.ErrorIs(t, err, local.ErrOutOfRange)
	require.ErrorIs(t, d.Discard(bg, 0, -1), local.ErrOutOfRange)
}

// TestParallelWritesWithinABlock is what io.WriterAt promises: writes that do not overlap
// may run at the same time, also when they share a block.
func TestParallelWritesWithinABlock(t *testing.T) {
	d := openDisk(t, disk.New(mem.New(1<<20), nil))
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for at := g * 7; at+7 <= 16<<10; at += 16 * 7 {
				_, err := d.WriteAt(bytes.Repeat([]byte{byte(at/7 + 1)}, 7), int64(at))
				require.NoError(t, err)
			}
		})
	}
	wg.Wait()
	p := make([]byte, 16<<10/7*7)
	_, err := d.ReadAt(p, 0)
	require.NoError(t, err)
	for at := range p {
		require.Equal(t, byte(at/7+1), p[at], at)
	}
}

func TestDiskSeesANewSize(t *testing.T) {
	store := mem.New(1 << 20)
	d := openDisk(t, disk.New(store, nil))
	require.NoError(t, store.Resize(2<<20))
	_, err := d.ReadAt(make([]byte, 512), 0)
	require.NoError(t, err)
	require.Equal(t, int64(2<<20), d.Size())
	_, err = d.WriteAt(make([]byte, 512), 2<<20-512)
	require.NoError(t, err)
}

// flaky makes the first transfers fail.
type flaky struct {
	*disk.Disk
	left atomic.Int32
	err  error
}

func (f *flaky) TryExec(c *scsi.Command) error {
	if f.fails(c) {
		return f.err
	}
	return f.Disk.TryExec(c)
}

func (f *flaky) Exec(c *scsi.Command) error {
	if f.fails(c) {
		return f.err
	}
	return f.Disk.Exec(c)
}

func (f *flaky) fails(c *scsi.Command) bool {
	return c.Op().Op == scsi.OpRead16 && f.left.Add(-1) >= 0
}

func TestDiskRepeatsWhatIsBusy(t *testing.T) {
	for name, x := range map[string]struct {
		err  error
		n    int32
		want error
	}{
		"busy":            {scsi.ErrBusy, 3, nil},
		"queue full":      {scsi.ErrTaskSetFull, 3, nil},
		"always busy":     {scsi.ErrBusy, 1000, scsi.ErrBusy},
		"unit attentions": {scsi.MediumMayHaveChanged, 10, nil},
		"always the same": {scsi.MediumMayHaveChanged, 1000, scsi.MediumMayHaveChanged},
		"broken":          {scsi.MediumReadError, 1, scsi.MediumReadError},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &flaky{Disk: disk.New(mem.New(1<<20), nil), err: x.err}
				d := openDisk(t, f)
				f.left.Store(x.n)
				n, err := d.ReadAt(make([]byte, 1024), 0)
				if x.want == nil {
					require.NoError(t, err)
					require.Equal(t, 1024, n)
					return
				}
				require.ErrorIs(t, err, x.want)
				require.Zero(t, n)
			})
		})
	}
}

func TestDiskStopsWithTheContext(t *testing.T) {
	f := &flaky{Disk: disk.New(mem.New(1<<20), nil), err: scsi.ErrBusy}
	d := openDisk(t, f)
	f.left.Store(1 << 30)
	ctx, cancel := context.WithCancel(bg)
	cancel()
	_, err := d.ReadContext(ctx, make([]byte, 512), 0)
	require.ErrorIs(t, err, context.Canceled)
	_, err = d.WriteContext(ctx, make([]byte, 100), 0)
	require.ErrorIs(t, err, context.Canceled)
}

func TestNotADisk(t *testing.T) {
	i := serve(t, inline(vendor))
	_, err := i.Disk(bg, 0)
	require.ErrorIs(t, err, scsi.InvalidOpcode)
	_, err = i.Disk(bg, 5)
	require.ErrorIs(t, err, scsi.LogicalUnitNotSupported)
}

func TestDiskWithoutUnmap(t *testing.T) {
	d := openDisk(t, disk.New(mem.New(1<<20), &disk.Options{NoThin: true}))
	require.True(t, errors.Is(d.Discard(bg, 0, 4096), errors.ErrUnsupported))
}
