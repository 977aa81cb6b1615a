package disk_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/mem"
	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
)

// lender counts what it lends.
type lender struct {
	backstore.Passthrough
	lent, back int
	refuse     bool
}

func (l *lender) Lend(off, n int64, dst [][]byte) (iov [][]byte, release func(), ok bool) {
	if l.refuse {
		return dst, nil, false
	}
	iov, back, ok := l.Passthrough.Lend(off, n, dst)
	if ok {
		l.lent++
	}
	return iov, func() { l.back++; back() }, ok
}

// TestReadLends: a READ is answered from the store's own memory, which does not change
// while the answer is on its way and is given back when it has left.
func TestReadLends(t *testing.T) {
	store := newMem(t, nil)
	old := pattern(1, 256*512)
	require.NoError(t, store.Writev(context.Background(), [][]byte{old}, 0))
	l := &lender{Passthrough: backstore.Passthrough{Inner: store}}
	r := newRecorder(t, l, nil)
	task := r.Prepare(cdb(scsi.OpRead10, 0, 256, 0), nil)
	require.Equal(t, scsi.StatusGood, task.Run())
	require.Equal(t, 1, l.lent)
	require.NoError(t, store.Writev(context.Background(), [][]byte{pattern(2, 256*512)}, 0))
	require.Equal(t, old, task.Result().Data)
	require.Zero(t, l.back)
	task.Release()
	require.Equal(t, 1, l.back)

	l.refuse = true
	task = r.Prepare(cdb(scsi.OpRead10, 0, 256, 0), nil)
	defer task.Release()
	require.Equal(t, scsi.StatusGood, task.Run())
	require.Equal(t, pattern(2, 256*512), task.Result().Data)
	require.Equal(t, 1, l.lent)
}

// mapLender lends the memory of a store as if it were mapped.
type mapLender struct {
	backstore.Passthrough
	lent, back int
	looks      int
	refuse     bool
	cut        bool
}

func (l *mapLender) Geometry() backstore.Geometry {
	g := l.Passthrough.Geometry()
	g.Without &^= backstore.CapLendMapped
	return g
}

func (l *mapLender) Intact() bool {
	l.looks++
	return !l.cut
}

func (l *mapLender) LendMapped(off, n int64, dst [][]byte) (iov [][]byte, release func(), ok bool) {
	if l.refuse {
		return dst, nil, false
	}
	iov, back, ok := l.Inner.(backstore.Lender).Lend(off, n, dst)
	if ok {
		l.lent++
	}
	return iov, func() { l.back++; back() }, ok
}

// TestReadLendsMapped: a READ is answered from mapped memory if the transport takes that, the task
// leaves the time to send it, and the medium and the data stay where they are.
func TestReadLendsMapped(t *testing.T) {
	for name, tt := range map[string]struct {
		raw, refuse bool
		attr        scsi.TaskAttr
		flags       byte
		opts        disk.Options
		hide        backstore.Cap
		lent        int
	}{
		"lent":              {raw: true, hide: backstore.CapLend, lent: 1},
		"data is looked at": {hide: backstore.CapLend},
		"refused":           {raw: true, refuse: true, hide: backstore.CapLend},
		"ORDERED":           {raw: true, attr: scsi.Ordered, hide: backstore.CapLend},
		"FUA":               {raw: true, flags: 8, hide: backstore.CapLend},
		"removable":         {raw: true, opts: disk.Options{Removable: true}, hide: backstore.CapLend},
		"a Lender as well":  {raw: true},
	} {
		t.Run(name, func(t *testing.T) {
			store := newMem(t, &mem.Options{Volatile: true})
			want := pattern(1, 256*512)
			require.NoError(t, store.Writev(context.Background(), [][]byte{want}, 0))
			l := &mapLender{Passthrough: backstore.Passthrough{Inner: store, Hide: tt.hide}, refuse: tt.refuse}
			r := newRecorder(t, l, &tt.opts)
			task := r.Prepare(cdb(scsi.OpRead10, 0, 256, tt.flags), nil)
			task.Command.RawIn, task.Command.Attr = tt.raw, tt.attr
			require.Equal(t, scsi.StatusGood, task.Run())
			require.Equal(t, want, task.Result().Data)
			require.Equal(t, tt.lent, l.lent)
			require.Equal(t, tt.lent > 0, task.Command.DataMapped())
			require.Zero(t, l.back)
			task.Release()
			require.Equal(t, tt.lent, l.back)
		})
	}
}

// TestLooksOnceForWhatArrivedTogether: that a mapping is intact is asked once for all READs that had
// arrived by then, and for each READ of which nobody knows when it arrived.
func TestLooksOnceForWhatArrivedTogether(t *testing.T) {
	l := &mapLender{Passthrough: backstore.Passthrough{Inner: newMem(t, nil), Hide: backstore.CapLend}}
	r := newRecorder(t, l, &disk.Options{})
	for i, tt := range []struct {
		arrived time.Duration
		cut     bool
		look    bool
		lent    bool
	}{
		{arrived: 100, look: true, lent: true},
		{arrived: 100, lent: true},
		{arrived: 90, lent: true},
		{arrived: 0, look: true, lent: true},
		{arrived: 0, look: true, lent: true},
		{arrived: 100, lent: true},
		{arrived: 101, look: true, lent: true},
		{arrived: 101, cut: true, lent: true}, // as if it had been read when the first was
		{arrived: 102, cut: true, look: true},
		{arrived: 102, cut: true, look: true},
		{arrived: 101, cut: true, look: true}, // what is known to be gone is not lent
		{arrived: 0, cut: true, look: true},
		{arrived: 102, look: true, lent: true},
		{arrived: -1, look: true, lent: true}, // no time at all
		{arrived: -1, cut: true, look: true},
	} {
		l.looks, l.lent, l.cut = 0, 0, tt.cut
		task := r.Prepare(cdb(scsi.OpRead10, 0, 8, 0), nil)
		task.Command.RawIn, task.Command.Arrived = true, tt.arrived
		require.Equal(t, scsi.StatusGood, task.Run())
		require.Equal(t, tt.look, l.looks == 1, "step %d: %d looks", i, l.looks)
		require.Equal(t, tt.lent, l.lent == 1, "step %d", i)
		task.Release()
	}
}

// TestLateData: a disk whose store lends takes no buffers for what it lends, and asks for one
// where nothing is lent. Nothing is lent of a medium that can be taken out.
func TestLateData(t *testing.T) {
	for _, tt := range []struct {
		store     backstore.Backstore
		removable bool
		want      bool
	}{
		{newMem(t, nil), false, true},
		{newMem(t, nil), true, false},
		{struct{ backstore.Backstore }{newMem(t, nil)}, false, false},
	} {
		r := newRecorder(t, tt.store, &disk.Options{Removable: tt.removable})
		require.Equal(t, tt.want, r.Description.LateData)
		task := r.Prepare(cdb(scsi.OpRead10, 0, 1, 0), nil)
		require.Equal(t, tt.want, task.Command.Data() == nil)
		require.Equal(t, 512, task.Command.Room())
		require.Equal(t, scsi.StatusGood, task.Run())
		require.Len(t, task.Result().Data, 512)
		task.Release()
	}
}
