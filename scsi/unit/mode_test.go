package unit_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/scsitest"
	"github.com/goscst/goscst/scsi/spc"
	"github.com/goscst/goscst/scsi/unit"
)

// newPaged is a unit with two pages more: 02h, whose second byte can change and is at most
// 9, and 0Ah/01h in subpage format, whose first byte can change. applied gets what takes
// effect; fail makes the second page refuse.
func newPaged(opts *unit.Options, applied *[][]byte, fail *error) *unit.Unit {
	u := unit.New(opts)
	u.AddModePage(unit.ModePage{
		Default: []byte{0x02, 2, 1, 5}, Changeable: []byte{0x02, 2, 0, 0xFF},
		Check: func(b []byte) error {
			if b[3] > 9 {
				return scsi.BadParam(3, 7)
			}
			return nil
		},
		Apply: func(_ context.Context, b []byte) error { *applied = append(*applied, b); return nil },
	})
	u.AddModePage(unit.ModePage{
		Default: []byte{0x4A, 1, 0, 3, 7, 7, 7}, Changeable: []byte{0x4A, 1, 0, 3, 0xFF, 0, 0},
		Apply: func(_ context.Context, b []byte) error {
			if *fail != nil {
				return *fail
			}
			*applied = append(*applied, b)
			return nil
		},
	})
	return u
}

// sense is MODE SENSE(10) without block descriptors.
func sense(t testing.TB, r *scsitest.Recorder, pc spc.PageCtl, page, subpage uint8) []byte {
	t.Helper()
	res := r.Do([]byte{0x5A, 8, byte(pc)<<6 | page, subpage, 0, 0, 0, 1, 0, 0}, nil)
	requireGood(t, res)
	return res.Data[8:]
}

// choose is MODE SELECT(6) with flags in byte 1.
func choose(r *scsitest.Recorder, flags byte, pages ...byte) scsitest.Result {
	list := append(make([]byte, 4), pages...)
	return r.Do([]byte{0x15, 0x10 | flags, 0, 0, byte(len(list)), 0}, list)
}

const save = 1 // SP

func TestModeSense(t *testing.T) {
	var applied [][]byte
	var fail error
	u := newPaged(&unit.Options{Params: func() unit.Params {
		return unit.Params{DeviceSpecific: 0x10, Descriptor: true, Blocks: 1 << 33, BlockSize: 512}
	}}, &applied, &fail)
	r := newRecorder(t, u, &scsitest.Options{Host: &scsitest.Host{Transient: true}})
	for _, tt := range []struct {
		name string
		cdb  []byte
		want []byte
	}{
		{"one page", []byte{0x1A, 8, 2, 0, 255, 0}, []byte{7, 0, 0x10, 0, 2, 2, 1, 5}},
		{"descriptor", []byte{0x1A, 0, 2, 0, 255, 0}, []byte{15, 0, 0x10, 8, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 2, 0, 2, 2, 1, 5}},
		{"long descriptor", []byte{0x5A, 0x10, 2, 0, 0, 0, 0, 0, 255, 0},
			[]byte{0, 26, 0, 0x10, 1, 0, 0, 16, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2, 2, 1, 5}},
		{"subpage", []byte{0x1A, 8, 0x0A, 1, 255, 0}, []byte{10, 0, 0x10, 0, 0x4A, 1, 0, 3, 7, 7, 7}},
		{"changeable", []byte{0x1A, 8, 0x42, 0, 255, 0}, []byte{7, 0, 0x10, 0, 2, 2, 0, 0xFF}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := r.Do(tt.cdb, nil)
			requireGood(t, res)
			require.Empty(t, cmp.Diff(tt.want, res.Data))
		})
	}
	all := sense(t, r, spc.CurrentValues, 0x3F, 0xFF)
	noSub := sense(t, r, spc.CurrentValues, 0x3F, 0)
	require.Len(t, all, len(noSub)+7)
	require.Equal(t, append(sense(t, r, 0, 0x0A, 0), sense(t, r, 0, 0x0A, 1)...), sense(t, r, 0, 0x0A, 0xFF))
	requireField(t, scsi.InvalidFieldInCDB, 2, 5, r.Do([]byte{0x1A, 0, 3, 0, 255, 0}, nil))
	requireField(t, scsi.InvalidFieldInCDB, 3, 7, r.Do([]byte{0x1A, 0, 2, 1, 255, 0}, nil))
	requireField(t, scsi.InvalidFieldInCDB, 3, 7, r.Do([]byte{0x1A, 0, 0x3F, 1, 255, 0}, nil))
	requireSense(t, scsi.SavingNotSupported, r.Do([]byte{0x1A, 0, 0xC2, 0, 255, 0}, nil))
	requireField(t, scsi.InvalidFieldInCDB, 1, 0, choose(r, save, 2, 2, 1, 6))
}

// TestModeSelect: all of a list takes effect, or nothing.
func TestModeSelect(t *testing.T) {
	var applied [][]byte
	var fail error
	u := newPaged(nil, &applied, &fail)
	r := newRecorder(t, u, nil)
	six, sub := []byte{2, 2, 1, 6}, []byte{0x4A, 1, 0, 3, 8, 7, 7}
	both := append(append([]byte(nil), six...), sub...)
	unchanged := func(t *testing.T) {
		t.Helper()
		require.Equal(t, []byte{0x82, 2, 1, 5}, sense(t, r, 0, 2, 0))
		require.Equal(t, []byte{0xCA, 1, 0, 3, 7, 7, 7}, sense(t, r, 0, 0x0A, 1))
		require.Empty(t, r.Host.Raised())
	}
	for _, tt := range []struct {
		name    string
		list    []byte
		sense   scsi.Sense
		at, bit int
	}{
		{"value", []byte{2, 2, 1, 10}, scsi.InvalidFieldInParams, 7, 7},
		{"value of the second", append(append([]byte(nil), sub...), 2, 2, 1, 10), scsi.InvalidFieldInParams, 14, 7},
		{"fixed byte", []byte{2, 2, 9, 6}, scsi.InvalidFieldInParams, 6, 3},
		{"unknown page", append(append([]byte(nil), six...), 3, 1, 0), scsi.InvalidFieldInParams, 8, 5},
		{"unknown subpage", []byte{0x4A, 2, 0, 3, 8, 7, 7}, scsi.InvalidFieldInParams, 5, 7},
		{"page as subpage", []byte{0x42, 2, 0, 1, 5}, scsi.InvalidFieldInParams, 5, 7},
		{"page length", []byte{2, 3, 1, 6, 0}, scsi.InvalidFieldInParams, 5, 7},
		{"subpage length", []byte{0x4A, 1, 0, 2, 8, 7}, scsi.InvalidFieldInParams, 6, 7},
		{"cut", append(append([]byte(nil), six...), sub[:6]...), scsi.ParameterListLength, 0, 0},
		{"cut in the header", append(append([]byte(nil), six...), 0x4A, 1, 0), scsi.ParameterListLength, 0, 0},
		{"one byte", []byte{2}, scsi.ParameterListLength, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := choose(r, save, tt.list...)
			if tt.sense == scsi.InvalidFieldInParams {
				requireField(t, tt.sense, tt.at, tt.bit, res)
			} else {
				requireSense(t, tt.sense, res)
			}
			require.Empty(t, applied)
			unchanged(t)
		})
	}
	t.Run("apply fails", func(t *testing.T) {
		fail = errors.New("broken")
		require.ErrorIs(t, choose(r, 0, both...).Err, fail)
		require.Equal(t, [][]byte{six, {2, 2, 1, 5}}, applied, "the first page is taken back")
		unchanged(t)
		applied, fail = nil, nil
	})
	t.Run("saving fails", func(t *testing.T) {
		r.Host.FailSave(errors.New("full"))
		requireSense(t, scsi.InternalTargetFailure, choose(r, save, both...))
		require.Equal(t, [][]byte{six, sub, {2, 2, 1, 5}, {0x4A, 1, 0, 3, 7, 7, 7}}, applied)
		unchanged(t)
		applied = nil
		r.Host.FailSave(nil)
	})
	t.Run("twice", func(t *testing.T) { // the last one counts, and is all that takes effect
		requireGood(t, choose(r, 0, 2, 2, 1, 8, 0x82, 2, 1, 6))
		require.Equal(t, [][]byte{six}, applied)
		require.Equal(t, []scsitest.Raised{{Sense: scsi.ModeParametersChanged, Except: r.Nexus}}, r.Host.Raised())
		require.Equal(t, []byte{0x82, 2, 1, 5}, sense(t, r, spc.SavedValues, 2, 0))
	})
	t.Run("saved", func(t *testing.T) { // every page is, as it is now
		requireGood(t, choose(r, save, sub...))
		require.Equal(t, []byte{0x82, 2, 1, 6}, sense(t, r, spc.SavedValues, 2, 0))
		require.Equal(t, []byte{0xCA, 1, 0, 3, 8, 7, 7}, sense(t, r, spc.SavedValues, 0x0A, 1))
		require.Equal(t, []byte{0x82, 2, 1, 5}, sense(t, r, spc.DefaultValues, 2, 0))
		requireGood(t, choose(r, 0, 2, 2, 1, 9))
		r.Reset()
		require.Equal(t, []byte{0x82, 2, 1, 6}, sense(t, r, 0, 2, 0))
	})
	t.Run("loaded", func(t *testing.T) {
		applied = nil
		again := newRecorder(t, newPaged(nil, &applied, &fail), &scsitest.Options{Host: r.Host})
		require.Equal(t, [][]byte{six, sub}, applied)
		require.Equal(t, []byte{0x82, 2, 1, 6}, sense(t, again, 0, 2, 0))
	})
}

// TestModeSelectHeader: the header and the block descriptor cannot change anything.
func TestModeSelectHeader(t *testing.T) {
	u := unit.New(&unit.Options{Params: func() unit.Params {
		return unit.Params{Descriptor: true, Blocks: 100, BlockSize: 512}
	}})
	r := newRecorder(t, u, nil)
	for _, tt := range []struct {
		name    string
		list    []byte
		at, bit int // -1: GOOD
	}{
		{"nothing", []byte{0, 0, 0, 0}, -1, 0},
		{"reserved and ignored", []byte{0xFF, 0, 0x90, 0}, -1, 0},
		{"medium type", []byte{0, 1, 0, 0}, 1, 7},
		{"same descriptor", []byte{0, 0, 0, 8, 0, 0, 0, 100, 0, 0, 2, 0}, -1, 0},
		{"blocks as they are", []byte{0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 2, 0}, -1, 0},
		{"fewer blocks", []byte{0, 0, 0, 8, 0, 0, 0, 99, 0, 0, 2, 0}, 4, -1},
		{"other size", []byte{0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 4, 0}, 9, -1},
		{"two descriptors", append([]byte{0, 0, 0, 16}, make([]byte, 16)...), 3, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res := r.Do([]byte{0x15, 0x10, 0, 0, byte(len(tt.list)), 0}, tt.list)
			if tt.at < 0 {
				requireGood(t, res)
				return
			}
			requireField(t, scsi.InvalidFieldInParams, tt.at, tt.bit, res)
		})
	}
	long := append([]byte{0, 0, 0, 0, 1, 0, 0, 16}, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 0, 0, 0, 2, 0)
	requireGood(t, r.Do([]byte{0x55, 0x10, 0, 0, 0, 0, 0, 0, 24, 0}, long))
	long[22] = 4
	requireField(t, scsi.InvalidFieldInParams, 20, -1, r.Do([]byte{0x55, 0x10, 0, 0, 0, 0, 0, 0, 24, 0}, long))
	for n := 1; n < 4; n++ {
		requireSense(t, scsi.ParameterListLength, r.Do([]byte{0x15, 0x10, 0, 0, byte(n), 0}, make([]byte, n)))
	}
	requireSense(t, scsi.ParameterListLength, r.Do([]byte{0x15, 0x10, 0, 0, 12, 0}, []byte{0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 2}))
	requireGood(t, r.Do([]byte{0x15, 0x10, 0, 0, 0, 0}, nil))
	requireField(t, scsi.InvalidFieldInCDB, 1, 4, r.Do([]byte{0x15, 0, 0, 0, 4, 0}, make([]byte, 4)))
	requireField(t, scsi.InvalidFieldInCDB, 1, 1, r.Do([]byte{0x15, 0x12, 0, 0, 4, 0}, make([]byte, 4)))
}

// TestControlPage: the engine hears of what it has to obey.
func TestControlPage(t *testing.T) {
	u := unit.New(&unit.Options{Control: scsi.Control{TST: 1, QueueAlg: 1}})
	r := newRecorder(t, u, nil)
	page := func(f func(*spc.ControlPage)) []byte {
		p := spc.ControlPageOf(scsi.Control{TST: 1, QueueAlg: 1})
		f(&p)
		return spc.AppendControlPage(nil, &p)
	}
	requireField(t, scsi.InvalidFieldInParams, 6, 5, choose(r, 0, page(func(p *spc.ControlPage) { p.TST = 0 })...))
	requireField(t, scsi.InvalidFieldInParams, 7, 7, choose(r, 0, page(func(p *spc.ControlPage) { p.QueueAlg = 2 })...))
	requireField(t, scsi.InvalidFieldInParams, 7, 2, choose(r, 0, page(func(p *spc.ControlPage) { p.QErr = 2 })...))
	require.Equal(t, scsi.Control{TST: 1, QueueAlg: 1}, r.Host.Control())
	all := page(func(p *spc.ControlPage) {
		p.DSense, p.TAS, p.SWP, p.TMFOnly, p.QErr, p.QueueAlg = true, true, true, true, 3, 0
	})
	requireGood(t, choose(r, save, all...))
	want := scsi.Control{TST: 1, QErr: 3, TMFOnly: true, TAS: true, SWP: true, DSense: true}
	require.Equal(t, want, r.Host.Control())
	require.Equal(t, byte(0x80), r.Do([]byte{0x1A, 8, 0x0A, 0, 255, 0}, nil).Data[2]&0x80, "WP")
	requireGood(t, choose(r, 0, page(func(*spc.ControlPage) {})...))
	require.False(t, r.Host.Control().SWP)
	r.Reset()
	require.Equal(t, want, r.Host.Control())
	host := r.Host
	newRecorder(t, unit.New(&unit.Options{Control: scsi.Control{QueueAlg: 1}}), &scsitest.Options{Host: host})
	want.TST = 0 // cannot change
	require.Equal(t, want, host.Control())
}

// TestDamaged: saved pages that cannot be read refuse the device; those that do not fit
// any more are forgotten.
func TestDamaged(t *testing.T) {
	for _, tt := range []struct {
		blob []byte
		bad  bool
	}{
		{[]byte{}, true}, {[]byte{9}, true}, {[]byte{1, 2}, true}, {[]byte{1, 2, 2, 1}, true}, {[]byte{1, 0x4A, 1, 0}, true},
		{[]byte{1}, false}, {[]byte{1, 3, 1, 9}, false}, {[]byte{1, 2, 1, 9}, false}, {[]byte{1, 2, 2, 1, 99}, false},
		{[]byte{1, 2, 2, 0xFF, 5}, false},
	} {
		host := new(scsitest.Host)
		require.NoError(t, host.Save("modepages", tt.blob))
		var applied [][]byte
		var fail error
		u := newPaged(nil, &applied, &fail)
		require.Equal(t, tt.bad, u.Bind(host) != nil, "% x", tt.blob)
		require.Empty(t, applied)
	}
}
