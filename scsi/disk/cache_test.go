package disk_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/sbc"
	"github.com/goscst/goscst/scsi/scsitest"
	"github.com/goscst/goscst/scsi/spc"
)

// cached is a volatile store with a memory of what is durable: a second store that Flush
// and WritevFUA write to.
type cached struct {
	*hooked
	durable *mem.Store
}

func newCached(t testing.TB, hide backstore.Cap) *cached {
	return &cached{newHooked(newMem(t, &mem.Options{Volatile: true}), hide), newMem(t, nil)}
}

func (c *cached) Flush(ctx context.Context, off, n int64) error {
	if err := c.hooked.Flush(ctx, off, n); err != nil {
		return err
	}
	if n == 0 {
		n = c.Geometry().Size - off
	}
	b := make([]byte, n)
	if err := c.Inner.Readv(ctx, [][]byte{b}, off); err != nil {
		return err
	}
	return c.durable.Writev(ctx, [][]byte{b}, off)
}

func (c *cached) WritevFUA(ctx context.Context, iov [][]byte, off int64) error {
	if err := c.hooked.WritevFUA(ctx, iov, off); err != nil {
		return err
	}
	return c.durable.Writev(ctx, iov, off)
}

// caching returns the caching mode page with current values.
func caching(t testing.TB, r *scsitest.Recorder) sbc.CachingPage {
	t.Helper()
	res := r.Do([]byte{0x5A, 8, 8, 0, 0, 0, 0, 0, 255, 0}, nil)
	requireGood(t, res)
	b := append([]byte(nil), res.Data[8:]...)
	b[0] &^= 0x80
	p, err := sbc.ParseCachingPage(b)
	require.NoError(t, err)
	return p
}

// selectWCE changes WCE by MODE SELECT(10).
func selectWCE(r *scsitest.Recorder, wce, save bool) scsitest.Result {
	list := append(make([]byte, 8), sbc.AppendCachingPage(nil, &sbc.CachingPage{WCE: wce})...)
	c := []byte{0x55, 0x10, 0, 0, 0, 0, 0, 0, byte(len(list)), 0}
	if save {
		c[1] |= 1
	}
	return r.Do(c, list)
}

// TestDurable: after each command that changes blocks, they are durable if WCE is clear
// or FUA is set, whichever of its abilities the store lacks.
func TestDurable(t *testing.T) {
	all := backstore.CapFUA | backstore.CapZero | backstore.CapWriteSame | backstore.CapCompareAndWrite | backstore.CapNowait
	for _, hide := range []backstore.Cap{0, all, backstore.CapFUA, backstore.CapNowait} {
		list := sbc.AppendUnmap(nil, []sbc.Extent{{LBA: 1, Blocks: 3}})
		for name, cmd := range map[string]struct {
			cdb, out []byte
			fua      bool // FUA is in bit 3 of byte 1
		}{
			"WRITE":             {cdb(scsi.OpWrite10, 1, 3), pattern(2, 1536), true},
			"WRITE(6)":          {cdb(scsi.OpWrite6, 1, 3), pattern(2, 1536), false},
			"WRITE SAME":        {cdb(scsi.OpWriteSame10, 1, 3), pattern(2, 512), false},
			"WRITE SAME zero":   {cdb(scsi.OpWriteSame16, 1, 3, ndob), nil, false},
			"WRITE SAME unmap":  {cdb(scsi.OpWriteSame16, 1, 3, ndob|doUnmap), nil, false},
			"UNMAP":             {cdb(scsi.OpUnmap, 0, uint32(len(list))), list, false},
			"COMPARE AND WRITE": {cdb(scsi.OpCompareAndWrite, 1, 3), append(pattern(1, 5*512)[512:2048], pattern(2, 1536)...), true},
		} {
			for _, through := range []bool{false, true} {
				for _, fua := range []bool{false, true} {
					if fua && !cmd.fua {
						continue
					}
					t.Run(name, func(t *testing.T) {
						store := newCached(t, hide)
						fill(t, store, pattern(1, 5*512), 0)
						require.NoError(t, store.Flush(t.Context(), 0, 0))
						r := newRecorder(t, store, &disk.Options{WriteThrough: through})
						c := append([]byte(nil), cmd.cdb...)
						if fua {
							c[1] |= 8
						}
						requireGood(t, r.Do(c, cmd.out))
						now := contents(t, store)
						require.NotEqual(t, pattern(1, 5*512), now[:5*512])
						require.Equal(t, through || fua, bytes.Equal(now, contents(t, store.durable)))
						requireGood(t, r.Do(cdb(scsi.OpSynchronizeCache10, 1, 3), nil))
						require.True(t, bytes.Equal(now, contents(t, store.durable)))
					})
				}
			}
		}
	}
}

// TestFUARead: a read with FUA comes from the medium, so that what is in the cache has to
// go there first.
func TestFUARead(t *testing.T) {
	for _, submit := range []bool{false, true} {
		store := newSubmitter(newMem(t, &mem.Options{Volatile: true}))
		r := newRecorder(t, store.or(submit), nil)
		var calls []string
		store.set(func(call string) error { calls = append(calls, call); return nil })
		requireGood(t, r.Do(cdb(scsi.OpRead10, 4, 2, 8), nil))
		require.Len(t, calls, 2)
		require.Equal(t, "Flush", calls[0])
	}
}

// TestWriteCache switches WCE back and forth.
func TestWriteCache(t *testing.T) {
	store := newCached(t, 0)
	r := newRecorder(t, store, nil)
	other, err := r.On(scsitest.NewNexus("iqn.2026-01.com.example:other"))
	require.NoError(t, err)
	defer other.Detach()
	require.True(t, caching(t, r).WCE)
	requireGood(t, r.Do(cdb(scsi.OpWrite10, 0, 1), pattern(1, 512)))
	require.NotEqual(t, pattern(1, 512), contents(t, store.durable)[:512])
	requireGood(t, selectWCE(r, false, false))
	require.Equal(t, pattern(1, 512), contents(t, store.durable)[:512], "MODE SELECT has flushed")
	require.Equal(t, []scsitest.Raised{{Sense: scsi.ModeParametersChanged, Except: r.Nexus}}, r.Host.Raised())
	require.False(t, caching(t, other).WCE)
	requireGood(t, r.Do(cdb(scsi.OpWrite10, 1, 1), pattern(2, 512)))
	require.Equal(t, pattern(2, 512), contents(t, store.durable)[512:1024])
	requireGood(t, selectWCE(r, false, false))
	require.Empty(t, r.Host.Raised())
	r.Reset() // nothing is saved
	require.True(t, caching(t, r).WCE)
	requireGood(t, selectWCE(r, false, true))
	requireGood(t, selectWCE(r, true, false))
	r.Reset()
	require.False(t, caching(t, r).WCE)
	// A new disk with the same state begins with what was saved.
	d := disk.New(newCached(t, 0), nil)
	again, err := scsitest.New(d, &scsitest.Options{Host: r.Host})
	require.NoError(t, err)
	require.False(t, caching(t, again).WCE)
	require.NoError(t, again.Close())
}

// TestWriteCacheFails: a flush that fails keeps WCE, and the command fails.
func TestWriteCacheFails(t *testing.T) {
	store := newCached(t, 0)
	r := newRecorder(t, store, nil)
	requireGood(t, r.Do(cdb(scsi.OpWrite10, 0, 1), pattern(1, 512)))
	store.set(func(call string) error {
		if call == "Flush" {
			return errors.New("broken")
		}
		return nil
	})
	requireSense(t, scsi.MediumWriteError, selectWCE(r, false, true))
	require.True(t, caching(t, r).WCE)
	require.Empty(t, r.Host.Raised())
	store.set(nil)
	r.Host.FailSave(errors.New("full"))
	requireSense(t, scsi.InternalTargetFailure, selectWCE(r, false, true))
	require.True(t, caching(t, r).WCE)
	r.Host.FailSave(nil)
}

// TestNoCache: a store that is not volatile has nothing to switch.
func TestNoCache(t *testing.T) {
	r := newRecorder(t, newMem(t, nil), nil)
	require.False(t, caching(t, r).WCE)
	res := selectWCE(r, true, false)
	requireSense(t, scsi.InvalidFieldInParams, res)
	require.Equal(t, scsi.FieldPointer{Byte: 10, Bit: 2, BitOK: true, Data: true}, *res.Sense.Field)
	e, err := spc.ParseExtendedInquiry(vpd(t, r, spc.VPDExtendedInquiry))
	require.NoError(t, err)
	require.False(t, e.VSup)
	_, err = disk.New(newHooked(newMem(t, &mem.Options{Volatile: true}), backstore.CapFlush), nil).Describe()
	require.Error(t, err, "a volatile store without Flush")
}

// TestFlushers: whatever promises that data is on the medium has flushed it.
func TestFlushers(t *testing.T) {
	for _, tt := range []struct {
		name    string
		do      func(t *testing.T, r *scsitest.Recorder)
		durable bool
	}{
		{"VERIFY", func(t *testing.T, r *scsitest.Recorder) { requireGood(t, r.Do(cdb(scsi.OpVerify10, 0, 1), nil)) }, true},
		{"SEND DIAGNOSTIC", func(t *testing.T, r *scsitest.Recorder) { requireGood(t, r.Do([]byte{0x1D, 4, 0, 0, 0, 0}, nil)) }, true},
		{"stop", func(t *testing.T, r *scsitest.Recorder) { requireGood(t, r.Do([]byte{0x1B, 0, 0, 0, 0, 0}, nil)) }, true},
		{"stop, NO_FLUSH", func(t *testing.T, r *scsitest.Recorder) { requireGood(t, r.Do([]byte{0x1B, 0, 0, 0, 4, 0}, nil)) }, false},
		{"eject", func(t *testing.T, r *scsitest.Recorder) { requireGood(t, r.Do(eject, nil)) }, true},
		{"eject, NO_FLUSH", func(t *testing.T, r *scsitest.Recorder) { requireGood(t, r.Do([]byte{0x1B, 0, 0, 0, 6, 0}, nil)) }, false},
		{"eject, NO_FLUSH, WCE=0, load", func(t *testing.T, r *scsitest.Recorder) {
			requireGood(t, r.Do([]byte{0x1B, 0, 0, 0, 6, 0}, nil))
			requireGood(t, selectWCE(r, false, false))
			requireGood(t, r.Do(load, nil))
		}, true},
		{"Eject", func(t *testing.T, r *scsitest.Recorder) {
			_, err := r.Handler.(*disk.Disk).Eject(t.Context(), false)
			require.NoError(t, err)
		}, true},
		{"Close", func(t *testing.T, r *scsitest.Recorder) { require.NoError(t, r.Handler.(*disk.Disk).Close()) }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := newCached(t, 0)
			r := newRecorder(t, store, &disk.Options{Removable: true, KeepStore: true})
			requireGood(t, r.Do(cdb(scsi.OpWrite10, 0, 1), pattern(1, 512)))
			tt.do(t, r)
			require.Equal(t, tt.durable, bytes.Equal(pattern(1, 512), head(t, store.durable, 512)))
		})
	}
}
