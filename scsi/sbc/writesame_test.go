package sbc

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
)

// cdbs of WRITE SAME, and where their flags are.
var writeSameCDBs = []struct {
	name string
	cdb  []byte
	at   int
	ndob bool // bit 0 is NDOB
}{
	{"10", make10(0x41), 1, false},
	{"16", append([]byte{0x93}, make([]byte, 15)...), 1, true},
	{"32", append([]byte{0x7F, 0, 0, 0, 0, 0, 0, 0x18, 0, 0x0D}, make([]byte, 22)...), 10, true},
}

func make10(op byte) []byte { return append([]byte{op}, make([]byte, 9)...) }

func TestParseWriteSame(t *testing.T) {
	for _, c := range writeSameCDBs {
		for _, x := range []struct {
			flags byte
			want  WriteSame
			ok    bool
		}{
			{0x00, WriteSame{}, true},
			{0x08, WriteSame{Unmap: true}, true},
			{0x18, WriteSame{Unmap: true, Anchor: true}, true},
			{0x10, WriteSame{Anchor: true}, true}, // Check refuses it
			{0x20, WriteSame{Protect: 1}, true},
			{0xE8, WriteSame{Unmap: true, Protect: 7}, true},
			{0x01, WriteSame{NDOB: true}, c.ndob},
			{0x09, WriteSame{NDOB: true, Unmap: true}, c.ndob},
			{0x02, WriteSame{}, false}, // LBDATA
			{0x04, WriteSame{}, false}, // PBDATA
			{0x06, WriteSame{}, false},
		} {
			t.Run(fmt.Sprintf("%s/%02x", c.name, x.flags), func(t *testing.T) {
				cdb := append([]byte(nil), c.cdb...)
				cdb[c.at] = x.flags
				got, err := ParseWriteSame(cdb)
				if x.ok {
					require.NoError(t, err)
					require.Empty(t, cmp.Diff(x.want, got))
					return
				}
				requireField(t, err, c.at)
			})
		}
	}
	for _, cdb := range [][]byte{nil, {0x41}, {0x93}, {0x7F, 0, 0, 0, 0, 0, 0, 0x18, 0, 0x0D}} {
		_, err := ParseWriteSame(cdb)
		require.ErrorIs(t, err, scsi.InvalidFieldInCDB)
	}
}

// requireField wants INVALID FIELD IN CDB that points at a byte.
func requireField(t *testing.T, err error, at int) {
	t.Helper()
	require.ErrorIs(t, err, scsi.InvalidFieldInCDB)
	var e *scsi.SenseError
	require.ErrorAs(t, err, &e)
	require.EqualValues(t, at, e.Field.Byte)
	require.False(t, e.Field.Data)
}

func TestWriteSameCheck(t *testing.T) {
	all := WriteSameRules{Unmap: true, Anchor: true, Protect: true}
	for _, c := range writeSameCDBs {
		for _, x := range []struct {
			name   string
			w      WriteSame
			r      WriteSameRules
			blocks uint32
			rest   uint64
			ok     bool
			flag   bool // the error points at the flags
		}{
			{"plain", WriteSame{}, WriteSameRules{}, 1, 10, true, false},
			{"unmap", WriteSame{Unmap: true}, all, 1, 10, true, false},
			{"unmap, fully provisioned", WriteSame{Unmap: true}, WriteSameRules{}, 1, 10, false, true},
			{"anchor", WriteSame{Unmap: true, Anchor: true}, all, 1, 10, true, false},
			{"anchor without unmap", WriteSame{Anchor: true}, all, 1, 10, false, true},
			{"anchor not supported", WriteSame{Unmap: true, Anchor: true}, WriteSameRules{Unmap: true}, 1, 10, false, true},
			{"protection", WriteSame{Protect: 1}, all, 1, 10, true, false},
			{"protection not supported", WriteSame{Protect: 1}, WriteSameRules{Unmap: true}, 1, 10, false, true},
			{"no data-out", WriteSame{NDOB: true}, WriteSameRules{}, 1, 10, true, false},
			{"no data-out, unmap", WriteSame{NDOB: true, Unmap: true}, all, 1, 10, true, false},
			{"to the end", WriteSame{}, WriteSameRules{Max: 10}, 0, 10, true, false},
			{"to the end, refused", WriteSame{}, WriteSameRules{WSNZ: true}, 0, 10, false, false},
			{"to the end, too far", WriteSame{}, WriteSameRules{Max: 10}, 0, 11, false, false},
			{"to an end beyond 32 bits", WriteSame{}, WriteSameRules{Max: 10}, 0, 1<<32 + 5, false, false},
			{"most", WriteSame{}, WriteSameRules{Max: 10}, 10, 100, true, false},
			{"too many", WriteSame{}, WriteSameRules{Max: 10}, 11, 100, false, false},
			{"no limit", WriteSame{}, WriteSameRules{}, 1<<32 - 1, 1 << 40, true, false},
		} {
			t.Run(c.name+"/"+x.name, func(t *testing.T) {
				err := x.w.Check(c.cdb, &x.r, x.blocks, x.rest)
				switch {
				case x.ok:
					require.NoError(t, err)
				case x.flag:
					requireField(t, err, c.at)
				default:
					require.ErrorIs(t, err, scsi.InvalidFieldInCDB)
				}
			})
		}
	}
}

func FuzzParseWriteSame(f *testing.F) {
	for _, c := range writeSameCDBs {
		f.Add(c.cdb, uint32(0), uint64(0))
	}
	f.Fuzz(func(t *testing.T, cdb []byte, blocks uint32, rest uint64) {
		w, err := ParseWriteSame(cdb)
		if err != nil {
			return
		}
		err = w.Check(cdb, &WriteSameRules{Unmap: true, Max: 100}, blocks, rest)
		if err == nil && (w.Anchor || w.Protect != 0 || blocks > 100 || blocks == 0 && rest > 100) {
			t.Fatalf("%+v of %d blocks passed", w, blocks)
		}
	})
}
