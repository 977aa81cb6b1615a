package spc

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
)

// someOpcodes is what a small unit implements: a code without service actions, one with
// two, and one with a single one.
func someOpcodes(t testing.TB) []*scsi.OpInfo {
	t.Helper()
	var list []*scsi.OpInfo
	for _, cdb := range [][]byte{{0x00, 0}, {0x28, 0}, {0x5E, 0x00}, {0x5E, 0x02}, {0x9E, 0x10}} {
		o := scsi.Lookup(scsi.TypeDisk, cdb)
		require.NotSame(t, scsi.Unknown, o)
		list = append(list, o)
	}
	return list
}

func TestSupportedOpcodesAll(t *testing.T) {
	list := someOpcodes(t)
	b, err := AppendSupportedOpcodes([]byte{0xEE}, OpcodesRequest{}, list)
	require.NoError(t, err)
	require.Equal(t, []byte{
		0, 0, 0, 40,
		0x00, 0, 0, 0, 0, 0, 0, 6,
		0x28, 0, 0, 0, 0, 0, 0, 10,
		0x5E, 0, 0, 0, 0, 1, 0, 10,
		0x5E, 0, 0, 2, 0, 1, 0, 10,
		0x9E, 0, 0, 0x10, 0, 1, 0, 16,
	}, b[1:])

	b, err = AppendSupportedOpcodes(nil, OpcodesRequest{Timeouts: true}, list[:2])
	require.NoError(t, err)
	require.Equal(t, []byte{
		0, 0, 0, 40,
		0x00, 0, 0, 0, 0, 2, 0, 6, 0, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10,
		0x28, 0, 0, 0, 0, 2, 0, 10, 0, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60,
	}, b)

	for _, timeouts := range []bool{false, true} {
		b, err := AppendSupportedOpcodes(nil, OpcodesRequest{Timeouts: timeouts}, list)
		require.NoError(t, err)
		got, err := ParseSupportedOpcodes(append(b, 0xFF))
		require.NoError(t, err)
		require.Len(t, got, len(list))
		for i, o := range list {
			want := SupportedOp{Op: o.Op, Action: o.Action, HasAction: o.HasAction, Len: int(o.Len), HasTime: timeouts}
			if timeouts {
				want.Timeout = o.Timeout.Seconds()
			}
			require.Empty(t, cmp.Diff(want, got[i]))
		}
		for n := range b {
			_, err := ParseSupportedOpcodes(b[:n])
			require.ErrorIs(t, err, ErrShort)
		}
	}
}

// TestSupportedOpcodesOne goes through the reporting options for codes with and without
// service actions, implemented or not (SPC-4 6.35).
func TestSupportedOpcodesOne(t *testing.T) {
	const none, yes, refused = 0, 1, 2
	for _, x := range []struct {
		name   string
		option uint8
		op     scsi.Opcode
		action uint16
		want   int
	}{
		{"code", ReportOp, 0x28, 0, yes},
		{"code, service action does not count", ReportOp, 0x28, 7, yes},
		{"code that is not implemented", ReportOp, 0x2A, 0, none},
		{"code with service actions", ReportOp, 0x5E, 0, refused},
		{"code with one service action", ReportOp, 0x9E, 0x10, refused},
		{"action", ReportAction, 0x5E, 2, yes},
		{"action 0", ReportAction, 0x5E, 0, yes},
		{"action that is not implemented", ReportAction, 0x5E, 1, none},
		{"action of a code without any", ReportAction, 0x28, 0, refused},
		{"action of a code that is not implemented", ReportAction, 0xA3, 0x0A, none},
		{"either: code", ReportEither, 0x28, 0, yes},
		{"either: code with an action that it lacks", ReportEither, 0x28, 1, none},
		{"either: action", ReportEither, 0x9E, 0x10, yes},
		{"either: action that is not implemented", ReportEither, 0x9E, 0x12, none},
		{"either: unknown code", ReportEither, 0xC0, 0, none},
		{"reserved option", 4, 0x28, 0, refused},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := OpcodesRequest{Options: x.option, Op: x.op, Action: x.action}
			b, err := AppendSupportedOpcodes(nil, r, someOpcodes(t))
			if x.want == refused {
				require.ErrorIs(t, err, scsi.InvalidFieldInCDB)
				var e *scsi.SenseError
				require.ErrorAs(t, err, &e)
				require.Equal(t, scsi.FieldPointer{Byte: 2, Bit: 2, BitOK: true}, *e.Field, "REPORTING OPTIONS")
				require.Empty(t, b)
				return
			}
			require.NoError(t, err)
			got, err := ParseOneOpcode(b)
			require.NoError(t, err)
			require.Equal(t, x.want == yes, got.Supported)
			require.False(t, got.HasTime)
			if x.want == none {
				require.Equal(t, []byte{0, 1, 0, 0}, b)
				return
			}
			require.EqualValues(t, 3, b[1], "SUPPORT: in conformance with the standard")
			require.EqualValues(t, x.op, got.Usage[0])
			require.Len(t, b, 4+len(got.Usage))

			r.Timeouts = true
			b, err = AppendSupportedOpcodes(nil, r, someOpcodes(t))
			require.NoError(t, err)
			require.EqualValues(t, 0x83, b[1])
			timed, err := ParseOneOpcode(b)
			require.NoError(t, err)
			require.True(t, timed.HasTime)
			require.NotZero(t, timed.Timeout)
			require.Equal(t, got.Usage, timed.Usage)
			for n := range b {
				_, err := ParseOneOpcode(b[:n])
				require.ErrorIs(t, err, ErrShort)
			}
		})
	}
}

func TestParseOpcodesRequest(t *testing.T) {
	r, err := ParseOpcodesRequest([]byte{0xA3, 0x0C, 0x82, 0x9E, 0x00, 0x10, 0, 0, 1, 0, 0, 0})
	require.NoError(t, err)
	require.Equal(t, OpcodesRequest{Timeouts: true, Options: ReportAction, Op: 0x9E, Action: 0x10}, r)
	for option := range byte(8) {
		_, err := ParseOpcodesRequest([]byte{0xA3, 0x0C, option, 0, 0, 0, 0, 0, 0, 0, 0, 0})
		require.Equal(t, option <= 3, err == nil)
		if err != nil {
			require.ErrorIs(t, err, scsi.InvalidFieldInCDB)
		}
	}
	_, err = ParseOpcodesRequest(make([]byte, 11))
	require.ErrorIs(t, err, scsi.InvalidFieldInCDB)
}

func TestParseTimeoutsLength(t *testing.T) {
	// A descriptor that is shorter than its fields, and a longer one.
	_, err := ParseSupportedOpcodes([]byte{0, 0, 0, 20, 0, 0, 0, 0, 0, 2, 0, 6, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	require.ErrorIs(t, err, ErrLength)
	got, err := ParseSupportedOpcodes([]byte{0, 0, 0, 22, 0, 0, 0, 0, 0, 2, 0, 6, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 1, 1})
	require.NoError(t, err)
	require.EqualValues(t, 9, got[0].Timeout)
}

func FuzzParseOpcodes(f *testing.F) {
	for _, r := range []OpcodesRequest{{}, {Timeouts: true}, {Options: ReportOp, Op: 0x28, Timeouts: true}, {Options: ReportAction, Op: 0x9E, Action: 0x10}} {
		b, err := AppendSupportedOpcodes(nil, r, someOpcodes(f))
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if list, err := ParseSupportedOpcodes(b); err == nil && len(list) > len(b)/8 {
			t.Fatalf("%d commands in %d bytes", len(list), len(b))
		}
		if o, err := ParseOneOpcode(b); err == nil && len(o.Usage) > len(b) {
			t.Fatalf("%d bytes of usage data", len(o.Usage))
		}
		r, err := ParseOpcodesRequest(b)
		if err != nil {
			return
		}
		answer, err := AppendSupportedOpcodes(nil, r, someOpcodes(t))
		if err == nil && len(answer) < 4 {
			t.Fatalf("answer % x to %+v", answer, r)
		}
	})
}
