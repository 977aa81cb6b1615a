package spc

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
)

func TestLUNsRoundTrip(t *testing.T) {
	luns := []scsi.LUN{0, scsi.MakeLUN(5, scsi.LUNFlat), scsi.MakeLUN(6, scsi.LUNExtended), scsi.WellKnownReportLUNs}
	b := AppendLUNs(nil, luns)
	require.Len(t, b, 8+8*len(luns))
	got, err := ParseLUNs(append(b, 1, 2, 3, 4, 5, 6, 7, 8))
	require.NoError(t, err)
	require.Equal(t, luns, got)
	for n := range b {
		got, err := ParseLUNs(b[:n])
		require.ErrorIs(t, err, ErrShort)
		if n >= 8 {
			require.Equal(t, luns[:(n-8)/8], append([]scsi.LUN{}, got...), "whole ones are kept")
		}
	}
	got, err = ParseLUNs(AppendLUNs(nil, nil))
	require.NoError(t, err)
	require.Empty(t, got)
	_, err = ParseLUNs([]byte{0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	require.ErrorIs(t, err, ErrLength)
	_, err = ParseLUNs([]byte{0xFF, 0xFF, 0xFF, 0xF8, 0, 0, 0, 0})
	require.ErrorIs(t, err, ErrShort)
}

func FuzzParseLUNs(f *testing.F) {
	f.Add(fixtures["luns"]())
	f.Fuzz(func(t *testing.T, b []byte) {
		luns, err := ParseLUNs(b)
		if len(luns) > len(b)/8 {
			t.Fatalf("%d LUNs in %d bytes", len(luns), len(b))
		}
		if err != nil {
			return
		}
		again, err := ParseLUNs(AppendLUNs(nil, luns))
		if d := cmp.Diff(luns, again); err != nil || d != "" {
			t.Fatal(err, d)
		}
	})
}

func TestFunctions(t *testing.T) {
	// The bits of SPC-4 6.36.
	for f, want := range map[scsi.TaskFunction][2]byte{
		scsi.AbortTask: {0x80, 0}, scsi.AbortTaskSet: {0x40, 0}, scsi.ClearACA: {0x20, 0}, scsi.ClearTaskSet: {0x10, 0},
		scsi.LogicalUnitReset: {0x08, 0}, scsi.QueryTask: {0x04, 0}, scsi.TargetReset: {0x02, 0},
		scsi.QueryAsyncEvent: {0, 0x04}, scsi.QueryTaskSet: {0, 0x02}, scsi.NexusReset: {0, 0x01},
		scsi.ColdReset: {0, 0}, // transports have it, the parameter data has not
	} {
		require.Equal(t, []byte{want[0], want[1], 0, 0}, AppendFunctions(nil, FunctionSet(f), false), f.String())
	}
	all := FunctionSet(scsi.AbortTask, scsi.AbortTaskSet, scsi.ClearACA, scsi.ClearTaskSet, scsi.LogicalUnitReset, scsi.QueryTask,
		scsi.TargetReset, scsi.QueryAsyncEvent, scsi.QueryTaskSet, scsi.NexusReset)
	for _, extended := range []bool{false, true} {
		b := AppendFunctions(nil, all, extended)
		require.Equal(t, map[bool]int{false: 4, true: 16}[extended], len(b))
		got, err := ParseFunctions(b)
		require.NoError(t, err)
		require.Equal(t, all, got)
	}
	require.True(t, all.Has(scsi.QueryTask))
	require.False(t, all.Has(scsi.ColdReset))
	_, err := ParseFunctions([]byte{0xFF, 0xFF, 0})
	require.ErrorIs(t, err, ErrShort)
}

func FuzzParseFunctions(f *testing.F) {
	f.Add(fixtures["functions-extended"]())
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseFunctions(b)
		if err != nil {
			return
		}
		if again, err := ParseFunctions(AppendFunctions(nil, s, true)); err != nil || again != s {
			t.Fatal(err, s, again)
		}
	})
}

func TestPortGroupsRoundTrip(t *testing.T) {
	for _, extended := range []bool{false, true} {
		b := AppendPortGroups(nil, someGroups, extended, 60)
		got, transition, err := ParsePortGroups(append(b, 0xFF), extended)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(someGroups, got))
		require.EqualValues(t, map[bool]int{false: 0, true: 60}[extended], transition)
		for n := range b {
			_, _, err := ParsePortGroups(b[:n], extended)
			require.ErrorIs(t, err, ErrShort)
		}
	}
	_, _, err := ParsePortGroups(AppendPortGroups(nil, someGroups, false, 0), true)
	require.ErrorIs(t, err, ErrFormat)
	_, _, err = ParsePortGroups([]byte{0, 0, 0, 3, 0x10, 0, 0}, true)
	require.ErrorIs(t, err, ErrShort)

	many := PortGroup{ID: 1, Ports: make([]uint16, 300)}
	got, _, err := ParsePortGroups(AppendPortGroups(nil, []PortGroup{many}, false, 0), false)
	require.NoError(t, err)
	require.Len(t, got[0].Ports, 255)
}

func TestSetPortGroups(t *testing.T) {
	groups := []SetPortGroup{{ID: 1, State: ActiveNonOptimized}, {ID: 0xFFFF, State: Offline}}
	b := AppendSetPortGroups(nil, groups)
	got, err := ParseSetPortGroups(b)
	require.NoError(t, err)
	require.Equal(t, groups, got)
	for n := range b {
		got, err := ParseSetPortGroups(b[:n])
		if n%4 != 0 {
			require.Equal(t, scsi.ParameterListLength, err)
			continue
		}
		require.NoError(t, err)
		require.Len(t, got, max(n/4-1, 0))
	}
}

func FuzzParsePortGroups(f *testing.F) {
	f.Add(fixtures["port-groups"](), false)
	f.Add(fixtures["port-groups-long"](), true)
	f.Add(fixtures["set-port-groups"](), false)
	f.Fuzz(func(t *testing.T, b []byte, extended bool) {
		if groups, transition, err := ParsePortGroups(b, extended); err == nil {
			again, same, err := ParsePortGroups(AppendPortGroups(nil, groups, extended, transition), extended)
			if d := cmp.Diff(groups, again); err != nil || d != "" || same != transition {
				t.Fatal(err, d)
			}
		}
		if groups, err := ParseSetPortGroups(b); err == nil {
			again, err := ParseSetPortGroups(AppendSetPortGroups(nil, groups))
			if d := cmp.Diff(groups, again); err != nil || d != "" {
				t.Fatal(err, d)
			}
		}
	})
}

func TestLogPageRoundTrip(t *testing.T) {
	b := fixtures["log"]()
	p, err := ParseLogPage(append(b, 0xFF))
	require.NoError(t, err)
	require.Equal(t, LogPage{Page: 0x0D, Subpage: 2, SPF: true, DS: true, Params: b[4:]}, p)
	i := 0
	for got, err := range LogParameters(p.Params) {
		require.NoError(t, err)
		want := someParameters[i]
		if want.Value == nil {
			want.Value = []byte{}
		}
		require.Empty(t, cmp.Diff(want, got))
		i++
	}
	require.Equal(t, len(someParameters), i)
	for n := range b {
		_, err := ParseLogPage(b[:n])
		require.ErrorIs(t, err, ErrShort)
	}
	for range LogParameters(p.Params) {
		break
	}
	var last error
	for _, err := range LogParameters(p.Params[:len(p.Params)-1]) {
		require.NoError(t, last)
		last = err
	}
	require.ErrorIs(t, last, ErrShort)

	// Without the subpage format, byte 1 is not a subpage.
	p, err = ParseLogPage([]byte{0x0D, 7, 0, 0})
	require.NoError(t, err)
	require.Equal(t, LogPage{Page: 0x0D, Params: []byte{}}, p)
	require.Len(t, AppendLogPage(nil, LogPage{Params: make([]byte, 1<<17)}), 4+0xFFFF)
	require.Len(t, AppendLogParameter(nil, LogParameter{Value: make([]byte, 300)}), 4+255)
}

func FuzzParseLogPage(f *testing.F) {
	f.Add(fixtures["log"]())
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseLogPage(b)
		if err != nil {
			return
		}
		again, err := ParseLogPage(AppendLogPage(nil, p))
		if d := cmp.Diff(p, again); err != nil || d != "" {
			t.Fatal(err, d)
		}
		n := 0
		for q, err := range LogParameters(p.Params) {
			if err != nil {
				return
			}
			same, m, err := ParseLogParameter(AppendLogParameter(nil, q))
			if d := cmp.Diff(q, same); err != nil || d != "" {
				t.Fatal(err, d)
			}
			n += m
		}
		if n != len(p.Params) {
			t.Fatalf("%d of %d bytes are in parameters", n, len(p.Params))
		}
	})
}
