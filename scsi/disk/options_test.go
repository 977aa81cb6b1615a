package disk_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/sbc"
	"github.com/goscst/goscst/scsi/spc"
)

// TestBadOptions: what a disk cannot do refuses it.
func TestBadOptions(t *testing.T) {
	for name, tt := range map[string]struct {
		store backstore.Backstore
		opts  *disk.Options
	}{
		"no store":          {nil, nil},
		"blocks too small":  {newMem(t, &mem.Options{BlockSize: 4096}), &disk.Options{BlockSize: 512}},
		"odd blocks":        {newMem(t, nil), &disk.Options{BlockSize: 1000}},
		"blocks too large":  {newMem(t, nil), &disk.Options{BlockSize: 128 << 10}},
		"physical exponent": {newMem(t, nil), &disk.Options{PhysicalExponent: 16}},
		"small transfer":    {newMem(t, nil), &disk.Options{MaxTransfer: 512}},
		"large transfer":    {newMem(t, nil), &disk.Options{MaxTransfer: 2 << 30}},
		"vendor":            {newMem(t, nil), &disk.Options{Vendor: "much too long"}},
		"small I/O":         {&limited{newHooked(newMem(t, nil), 0), 512}, &disk.Options{BlockSize: 4096}},
		"geometry":          {&limited{newHooked(newMem(t, nil), 0), -1}, nil},
	} {
		d := disk.New(tt.store, tt.opts)
		_, err := d.Describe()
		require.Error(t, err, name)
		require.NoError(t, d.Close(), name)
		if tt.store != nil {
			require.ErrorIs(t, tt.store.Readv(t.Context(), [][]byte{make([]byte, 4096)}, 0), backstore.ErrClosed, name)
		}
	}
}

// named is a store that knows its names.
type named struct{ *hooked }

func (named) Identity() backstore.Identity {
	return backstore.Identity{Serial: "STORE-7", NAA: []byte{0x50, 1, 2, 3, 4, 5, 6, 7}}
}

func (n named) Geometry() backstore.Geometry {
	g := n.hooked.Geometry()
	g.Without &^= backstore.CapIdentity
	g.Rotational, g.OptimalIO, g.DiscardUnit = true, 64<<10, 8192
	return g
}

// TestStoreTells: what a store knows of itself reaches the initiators, unless an option
// says something else.
func TestStoreTells(t *testing.T) {
	r := newRecorder(t, named{newHooked(newMem(t, nil), 0)}, nil)
	require.Equal(t, "STORE-7", string(vpd(t, r, spc.VPDSerial)))
	d := r.Handler.(*disk.Disk)
	require.Equal(t, "naa.5001020304050607", d.Unit().Identifier())
	l, err := sbc.ParseLimits(vpd(t, r, sbc.VPDLimits))
	require.NoError(t, err)
	require.Equal(t, uint32(128), l.OptTransfer)
	require.Equal(t, uint32(16), l.UnmapGranularity)
	c, err := sbc.ParseCharacteristics(vpd(t, r, sbc.VPDCharacteristics))
	require.NoError(t, err)
	require.NotEqual(t, sbc.NonRotating, c.RotationRate)

	other := newRecorder(t, named{newHooked(newMem(t, nil), 0)}, &disk.Options{Serial: "MINE", EUI64: []byte{1, 2, 3, 4, 5, 6, 7, 8}})
	require.Equal(t, "MINE", string(vpd(t, other, spc.VPDSerial)))
	require.Equal(t, "eui.0102030405060708", other.Handler.(*disk.Disk).Unit().Identifier())
}

// TestExtend adds a vendor's command to a disk.
func TestExtend(t *testing.T) {
	d := disk.New(newMem(t, nil), nil)
	d.Unit().Handle(scsi.OpReadBuffer, func(c *scsi.Command) error { return c.Reply([]byte("extra")) })
	r := newRecorderOf(t, d)
	require.Equal(t, "extra", string(r.Do([]byte{0x3C, 0, 0, 0, 0, 0, 0, 0, 5, 0}, nil).Data))
}

// TestReplaceRead: what a program makes of READ and WRITE comes before what a disk makes of them.
func TestReplaceRead(t *testing.T) {
	d := disk.New(newMem(t, nil), nil)
	fails := func(*scsi.Command) error { return scsi.MediumReadError }
	r := newRecorderOf(t, d)
	require.Equal(t, scsi.StatusGood, r.Do(cdb(scsi.OpRead16, 0, 1), nil).Status)
	d.Unit().HandleTry(scsi.OpRead16, fails, fails)
	require.Equal(t, scsi.StatusCheckCondition, r.Do(cdb(scsi.OpRead16, 0, 1), nil).Status)
	require.Equal(t, scsi.StatusGood, r.Do(cdb(scsi.OpRead10, 0, 1), nil).Status)
	d.Unit().HandleTry(scsi.OpWrite10, nil, nil)
	require.Equal(t, scsi.StatusCheckCondition, r.Do(cdb(scsi.OpWrite10, 0, 1), make([]byte, 512)).Status)
}

// TestKeepStore leaves the store to the program.
func TestKeepStore(t *testing.T) {
	for _, keep := range []bool{false, true} {
		store := newMem(t, &mem.Options{Volatile: true})
		d := disk.New(store, &disk.Options{KeepStore: keep})
		require.NoError(t, d.Close())
		require.Equal(t, keep, store.Writev(t.Context(), [][]byte{make([]byte, 512)}, 0) == nil)
	}
}

// TestAbortWaiting: a command that waits for blocks which another one has locked can be
// aborted, and does nothing then.
func TestAbortWaiting(t *testing.T) {
	block := pattern(9, 512)
	for name, other := range map[string]struct{ cdb, out []byte }{
		"WRITE":             {cdb(scsi.OpWrite10, 0, 1), block},
		"WRITE AND VERIFY":  {cdb(scsi.OpWriteVerify10, 0, 1, 2), block},
		"WRITE SAME":        {cdb(scsi.OpWriteSame10, 0, 1), block},
		"COMPARE AND WRITE": {cdb(scsi.OpCompareAndWrite, 0, 1), append(pattern(2, 512), block...)},
		"UNMAP":             {cdb(scsi.OpUnmap, 0, 24), sbc.AppendUnmap(nil, []sbc.Extent{{LBA: 0, Blocks: 1}})},
	} {
		for _, submit := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store := newSubmitter(newMem(t, nil))
					store.Hide |= backstore.CapCompareAndWrite
					r := newRecorder(t, store.or(submit), nil)
					goOn := make(chan struct{})
					store.set(func(call string) error {
						if call == "Writev" {
							<-goOn
						}
						return nil
					})
					caw := r.Start(cdb(scsi.OpCompareAndWrite, 0, 1), append(make([]byte, 512), pattern(2, 512)...))
					synctest.Wait()
					task := r.Start(other.cdb, other.out)
					synctest.Wait()
					require.False(t, task.Ended())
					task.Abort()
					requireSense(t, scsi.CommandAborted, task.Wait())
					close(goOn)
					requireGood(t, caw.Wait())
					require.Equal(t, pattern(2, 512), head(t, store, 512))
					// The lock is free again, on the worker's way to the Submitter too.
					requireGood(t, r.Do(cdb(scsi.OpWrite10, 0, 1), block))
				})
			})
		}
	}
}
