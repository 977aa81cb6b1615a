package pdu

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseAHS(t *testing.T) {
	cdb32 := make([]byte, 32)
	for i := range cdb32 {
		cdb32[i] = byte(i)
	}
	for _, tc := range []struct {
		name string
		in   []byte
		want AHS
		err  error
	}{
		{"none", nil, AHS{}, nil},
		{"extended CDB", AppendExtendedCDB(nil, cdb32), AHS{ExtendedCDB: cdb32[16:]}, nil},
		{"extended CDB, odd length", AppendExtendedCDB(nil, cdb32[:17]), AHS{ExtendedCDB: cdb32[16:17]}, nil},
		{
			"both", AppendBidiReadLength(AppendExtendedCDB(nil, cdb32[:30]), 0x01020304),
			AHS{ExtendedCDB: cdb32[16:30], BidiReadLength: 0x01020304, HasBidi: true}, nil,
		},
		{"reserved bits of the type", []byte{0, 5, 0xC2, 0, 0, 0, 0, 9}, AHS{BidiReadLength: 9, HasBidi: true}, nil},
		{"longest CDB", AppendExtendedCDB(nil, make([]byte, MaxCDBLen)), AHS{ExtendedCDB: make([]byte, 244)}, nil},
		{"CDB beyond the longest", AppendExtendedCDB(nil, make([]byte, MaxCDBLen+1)), AHS{}, errAHSLength},
		{"CDB without bytes", []byte{0, 1, 1, 0}, AHS{}, errAHSLength},
		{"no reserved byte", []byte{0, 0, 1, 0}, AHS{}, errAHSLength},
		{"bidi too long", []byte{0, 9, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0}, AHS{}, errAHSLength},
		{"bidi too short", []byte{0, 4, 2, 0, 0, 0, 0, 0}, AHS{}, errAHSLength},
		{"twice", AppendBidiReadLength(AppendBidiReadLength(nil, 1), 2), AHS{}, errAHSDuplicate},
		{"two CDBs", AppendExtendedCDB(AppendExtendedCDB(nil, cdb32), cdb32), AHS{}, errAHSDuplicate},
		{"unknown type", []byte{0, 5, 3, 0, 0, 0, 0, 0}, AHS{}, errAHSType},
		{"type 0", []byte{0, 0, 0, 0}, AHS{}, errAHSType},
		{"cut off in the body", AppendExtendedCDB(nil, cdb32)[:16], AHS{}, errAHSShort},
		{"cut off in the head", []byte{0, 5, 2}, AHS{}, errAHSShort},
		{"length beyond everything", []byte{0xFF, 0xFF, 1, 0}, AHS{}, errAHSShort},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := ParseAHS(tc.in)
			require.ErrorIs(t, err, tc.err)
			require.Equal(t, tc.want, got)
		})
	}
}

func TestAppendExtendedCDB(t *testing.T) {
	require.Empty(t, AppendExtendedCDB(nil, make([]byte, CDBLen)))
	got := AppendExtendedCDB([]byte{9}, append(make([]byte, 16), 0xA, 0xB))
	require.Equal(t, []byte{9, 0, 3, 1, 0, 0xA, 0xB, 0, 0}, got)
}

func FuzzAHS(f *testing.F) {
	f.Add(AppendBidiReadLength(AppendExtendedCDB(nil, make([]byte, 33)), 5))
	f.Add([]byte{0xFF, 0xFF, 1, 0})
	f.Add([]byte{0, 0, 1, 0, 0, 1, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ParseAHS(b)
		if err != nil {
			require.Equal(t, AHS{}, a)
			return
		}
		// What was understood can be built again and says the same.
		var again []byte
		if a.ExtendedCDB != nil {
			again = AppendExtendedCDB(again, append(make([]byte, CDBLen), a.ExtendedCDB...))
		}
		if a.HasBidi {
			again = AppendBidiReadLength(again, a.BidiReadLength)
		}
		require.Zero(t, len(again)%4)
		require.Len(t, again, len(b))
		b2, err := ParseAHS(again)
		require.NoError(t, err)
		require.True(t, bytes.Equal(a.ExtendedCDB, b2.ExtendedCDB))
		require.Equal(t, a.BidiReadLength, b2.BidiReadLength)
	})
}
