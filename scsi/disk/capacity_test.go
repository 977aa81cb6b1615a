package disk_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/sbc"
	"github.com/goscst/goscst/scsi/scsitest"
	"github.com/goscst/goscst/scsi/spc"
)

// vpd returns the body of a page of vital product data.
func vpd(t testing.TB, r *scsitest.Recorder, code uint8) []byte {
	t.Helper()
	res := r.Do([]byte{0x12, 1, code, 0xFF, 0xFF, 0}, nil)
	requireGood(t, res)
	page, err := spc.ParseVPD(res.Data)
	require.NoError(t, err)
	return page.Body
}

func TestReadCapacity(t *testing.T) {
	for _, tt := range []struct {
		size int64
		opts disk.Options
		last uint64
		ten  uint32
		exp  uint8
	}{
		{1 << 20, disk.Options{}, 2047, 2047, 3},
		{1 << 20, disk.Options{PhysicalExponent: -1}, 2047, 2047, 0},
		{1 << 20, disk.Options{PhysicalExponent: 5}, 2047, 2047, 5},
		{1 << 20, disk.Options{BlockSize: 4096}, 255, 255, 0},
		{1<<41 - 512, disk.Options{}, 1<<32 - 2, 0xFFFFFFFE, 3},
		{1 << 41, disk.Options{}, 1<<32 - 1, 0xFFFFFFFF, 3},
		{1 << 44, disk.Options{}, 1<<35 - 1, 0xFFFFFFFF, 3},
	} {
		store, err := mem.NewWith(tt.size, nil)
		require.NoError(t, err)
		r := newRecorder(t, store, &tt.opts)
		last, bs, err := sbc.ParseCapacity10(r.Do(cdb(scsi.OpReadCapacity10, 0, 0), nil).Data)
		require.NoError(t, err)
		require.Equal(t, tt.ten, last)
		require.Equal(t, r.Description.BlockSize, int(bs))
		c, err := sbc.ParseCapacity16(r.Do(actionCDB(scsi.ActionReadCapacity16, 0, 32), nil).Data)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(sbc.Capacity{
			LastLBA: tt.last, BlockSize: bs, PhysExponent: tt.exp, LBPME: true, LBPRZ: true,
		}, c))
		requireField(t, 2, -1, r.Do(cdb(scsi.OpReadCapacity10, 1, 0), nil))
		requireField(t, 2, -1, r.Do(actionCDB(scsi.ActionReadCapacity16, 1, 32), nil))
	}
}

// TestResize: a store that grows or shrinks is announced, and never read beyond its end.
func TestResize(t *testing.T) {
	store := newMem(t, nil)
	r := newRecorder(t, store, nil)
	for _, size := range []int64{blocks * 1024, 512, blocks * 512} {
		require.NoError(t, store.Resize(size))
		require.Equal(t, []scsitest.Raised{{Sense: scsi.CapacityChanged}}, r.Host.Raised())
		last := uint64(size/512 - 1)
		c, err := sbc.ParseCapacity16(r.Do(actionCDB(scsi.ActionReadCapacity16, 0, 32), nil).Data)
		require.NoError(t, err)
		require.Equal(t, last, c.LastLBA)
		requireGood(t, r.Do(cdb(scsi.OpRead16, last, 1), nil))
		requireSense(t, scsi.LBAOutOfRange, r.Do(cdb(scsi.OpRead16, last+1, 1), nil))
		requireSense(t, scsi.LBAOutOfRange, r.Do(cdb(scsi.OpWriteSame16, last, 2), make([]byte, 512)))
	}
}

func lbaStatus(t testing.TB, r *scsitest.Recorder, lba uint64, room uint32) []sbc.LBAStatus {
	t.Helper()
	res := r.Do(actionCDB(scsi.ActionGetLBAStatus, lba, room), nil)
	requireGood(t, res)
	list, err := sbc.ParseLBAStatus(res.Data)
	require.NoError(t, err)
	return list
}

func status(lba uint64, n uint32, s sbc.LBAState) sbc.LBAStatus {
	return sbc.LBAStatus{Extent: sbc.Extent{LBA: lba, Blocks: n}, State: s}
}

func TestLBAStatus(t *testing.T) {
	store := newMem(t, nil)
	r := newRecorder(t, store, nil)
	fill(t, store, pattern(1, 64<<10), 64<<10)
	for _, tt := range []struct {
		lba  uint64
		room uint32
		want []sbc.LBAStatus
	}{
		{0, 1024, []sbc.LBAStatus{status(0, 128, 1), status(128, 128, 0), status(256, blocks-256, 1)}},
		{0, 24, []sbc.LBAStatus{status(0, 128, 1)}},
		{0, 40, []sbc.LBAStatus{status(0, 128, 1), status(128, 128, 0)}},
		{200, 24, []sbc.LBAStatus{status(200, 56, 0)}},
		{blocks - 1, 24, []sbc.LBAStatus{status(blocks-1, 1, 1)}},
	} {
		require.Empty(t, cmp.Diff(tt.want, lbaStatus(t, r, tt.lba, tt.room)))
	}
	requireSense(t, scsi.LBAOutOfRange, r.Do(actionCDB(scsi.ActionGetLBAStatus, blocks, 24), nil))
	for _, without := range []backstore.Cap{backstore.CapExtents, backstore.CapUnmap} {
		r := newRecorder(t, newMem(t, &mem.Options{Without: without}), nil)
		require.Empty(t, cmp.Diff([]sbc.LBAStatus{status(5, blocks-5, 0)}, lbaStatus(t, r, 5, 1024)))
	}
}

// extents is a store that shows the given map.
type extents struct {
	*hooked
	list []backstore.MappedExtent
}

func (e *extents) AppendExtents(_ context.Context, dst []backstore.MappedExtent, off, n int64) ([]backstore.MappedExtent, error) {
	for _, x := range e.list {
		from, to := max(x.Off, off), min(x.Off+x.Len, off+n)
		if from < to && len(dst) < cap(dst) {
			dst = append(dst, backstore.MappedExtent{Extent: backstore.Extent{Off: from, Len: to - from}, State: x.State})
		}
	}
	return dst, nil
}

// TestLBAStatusWidened: a block is free only if all of it is.
func TestLBAStatusWidened(t *testing.T) {
	ext := func(from, to int64, s backstore.MapState) backstore.MappedExtent {
		return backstore.MappedExtent{Extent: backstore.Extent{Off: from * 512, Len: (to - from) * 512}, State: s}
	}
	store := &extents{newHooked(newMem(t, nil), 0), []backstore.MappedExtent{
		ext(0, 12, backstore.Deallocated), ext(12, 16, backstore.Mapped), ext(16, 20, backstore.Deallocated),
		ext(20, 32, backstore.Anchored), ext(32, 33, backstore.Mapped), ext(33, 40, backstore.Deallocated), ext(40, blocks, backstore.Mapped),
	}}
	r := newRecorder(t, store, &disk.Options{BlockSize: 4096})
	end := uint32(blocks / 8)
	want := []sbc.LBAStatus{status(0, 1, 1), status(1, 2, 0), status(3, 1, 2), status(4, end-4, 0)}
	require.Empty(t, cmp.Diff(want, lbaStatus(t, r, 0, 1024)))
	for room := uint32(1); room < 6; room++ {
		got := lbaStatus(t, r, 0, 8+16*room)
		require.Equal(t, want[0], got[0])
		next := uint64(0)
		for _, s := range got {
			require.Equal(t, next, s.LBA)
			require.NotZero(t, s.Blocks)
			next += uint64(s.Blocks)
		}
	}
}
