package engine

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/scsi"
)

func initiatorNamed(name string) fabric.Initiator { return fabric.Initiator{Name: name} }

// TestLUNTable compares a table with a map while both change, and checks that tables that
// others may look at do not.
func TestLUNTable(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var table lunTable[*int]
	model := map[uint16]*int{}
	var old lunTable[*int]
	var oldModel map[uint16]*int
	same := func(table *lunTable[*int], model map[uint16]*int) {
		t.Helper()
		var luns []uint16
		table.each(func(lun uint16, v *int) {
			luns = append(luns, lun)
			require.Same(t, model[lun], v)
			require.Same(t, v, table.get(lun))
		})
		want := slices.Sorted(maps.Keys(model))
		require.Equal(t, want, luns)
	}
	for i := range 2000 {
		lun := uint16(rng.IntN(scsi.MaxLUN + 1))
		if rng.IntN(2) == 0 {
			lun = uint16(rng.IntN(600)) // so that pages fill up and become empty
		}
		if rng.IntN(3) == 0 {
			table = table.with(lun, nil)
			delete(model, lun)
			require.Nil(t, table.get(lun))
		} else {
			v := new(int)
			table = table.with(lun, v)
			model[lun] = v
		}
		if i == 1000 {
			old, oldModel = table, maps.Clone(model)
		}
	}
	same(&table, model)
	same(&old, oldModel)
	for lun := range model {
		table = table.with(lun, nil)
	}
	require.Equal(t, lunTable[*int]{}, table, "empty pages are let go")
}

func TestLUNTableEdges(t *testing.T) {
	var table lunTable[*int]
	require.Nil(t, table.get(0))
	require.Nil(t, table.get(scsi.MaxLUN))
	require.Nil(t, table.get(scsi.MaxLUN+1), "numbers of extended addressing")
	require.Nil(t, table.get(0xFFFF))
	v := new(int)
	table = table.with(scsi.MaxLUN, v).with(0, v).with(255, v).with(256, v)
	var luns []uint16
	table.each(func(lun uint16, _ *int) { luns = append(luns, lun) })
	require.Equal(t, []uint16{0, 255, 256, scsi.MaxLUN}, luns)
}

// TestStateNames: logs and dumps print names, which differ.
func TestStateNames(t *testing.T) {
	seen := map[string]bool{}
	for s := StateFree; s <= StateSent; s++ {
		require.NotContains(t, s.String(), "State(")
		require.False(t, seen[s.String()])
		seen[s.String()] = true
	}
	require.Equal(t, "State(10)", (StateSent + 1).String())
	require.Less(t, uint32(StateSent), stateMask)
}

// TestStatusWord: flags survive changes of state, and nothing is marked once the result
// is decided.
func TestStatusWord(t *testing.T) {
	var s status
	require.Equal(t, StateFree, s.state())
	s.start()
	at, ok := s.mark(flagAborted)
	require.True(t, ok)
	require.Equal(t, StateParse, at)
	require.Equal(t, StateParse, s.move(StateExec))
	require.True(t, s.has(flagAborted))
	require.False(t, s.has(flagOther|flagTAS|flagEnded))
	_, ok = s.mark(flagOther)
	require.True(t, ok)
	require.Equal(t, flagAborted|flagOther, s.end())
	require.Equal(t, StateRespond, s.state())
	at, ok = s.mark(flagTAS)
	require.False(t, ok)
	require.Equal(t, StateRespond, at)
	require.False(t, s.has(flagTAS))
	require.True(t, s.settle())
	require.Equal(t, StateSendWait, s.move(StateSent))
	require.True(t, s.has(flagAborted))
	require.False(t, s.settle())
	s.start()
	require.False(t, s.has(flagAborted|flagOther|flagTAS|flagEnded), "the next command's")
	require.Equal(t, StateParse, s.state())
}

// TestLUNEdit: a table that was edited is the one that single changes make, and the one
// that it began with is as it was.
func TestLUNEdit(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	var before lunTable[*int]
	for range 300 {
		before = before.with(uint16(rng.IntN(1000)), new(int))
	}
	kept, want := before, before
	edit := lunEdit[*int]{table: before}
	for range 2000 {
		lun, v := uint16(rng.IntN(scsi.MaxLUN+1)), (*int)(nil)
		if rng.IntN(2) == 0 {
			lun, v = uint16(rng.IntN(300)), new(int)
		}
		edit.set(lun, v)
		want = want.with(lun, v)
	}
	require.Equal(t, want, *edit.done())
	require.Equal(t, kept, before)
	for lun := range uint16(scsi.MaxLUN + 1) {
		require.Same(t, kept.get(lun), before.get(lun))
		edit.set(lun, nil)
	}
	require.Equal(t, lunTable[*int]{}, *edit.done())
}

// TestLUNChangeIsSmall: a change of one number copies one page, however many are in use.
func TestLUNChangeIsSmall(t *testing.T) {
	v := new(int)
	edit := lunEdit[*int]{}
	for lun := range uint16(scsi.MaxLUN + 1) {
		edit.set(lun, v)
	}
	full := edit.done()
	changed := full.with(1000, new(int))
	copied := 0
	for i := range full.pages {
		if full.pages[i] != changed.pages[i] {
			copied++
		}
	}
	require.Equal(t, 1, copied)
}
