package spc

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/scsi"
)

func TestModeHeader(t *testing.T) {
	for _, x := range []struct {
		h    ModeHeader
		ten  bool
		want []byte
	}{
		{ModeHeader{0x23, 1, ParameterWP, false, 8}, false, []byte{0x23, 1, 0x80, 8}},
		{ModeHeader{0x1234, 1, ParameterDPOFUA, true, 16}, true, []byte{0x12, 0x34, 1, 0x10, 1, 0, 0, 16}},
	} {
		b := AppendModeHeader([]byte{0xEE}, x.h, x.ten)
		require.Equal(t, x.want, b[1:])
		got, n, err := ParseModeHeader(b[1:], x.ten)
		require.NoError(t, err)
		require.Equal(t, len(x.want), n)
		require.Equal(t, x.h, got)
		_, _, err = ParseModeHeader(b[1:len(b)-1], x.ten)
		require.ErrorIs(t, err, ErrShort)
	}
	require.Equal(t, []byte{0xFF, 0, 0, 0xFF}, AppendModeHeader(nil, ModeHeader{DataLength: 999, DescriptorLen: 999}, false))
	require.Equal(t, []byte{0xFF, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF},
		AppendModeHeader(nil, ModeHeader{DataLength: 1 << 20, DescriptorLen: 1 << 20}, true))
}

func TestSetModeLength(t *testing.T) {
	for n, want := range map[int]byte{4: 3, 255: 254, 256: 255, 300: 255} {
		b := make([]byte, n)
		SetModeLength(b, false)
		require.Equal(t, want, b[0])
	}
	b := make([]byte, 0x1234)
	SetModeLength(b, true)
	require.Equal(t, []byte{0x12, 0x32}, b[:2])
}

func TestBlockDescriptor(t *testing.T) {
	for _, x := range []struct {
		d    BlockDescriptor
		long bool
		want []byte
		back BlockDescriptor
	}{
		{BlockDescriptor{1, 512}, false, []byte{0, 0, 0, 1, 0, 0, 2, 0}, BlockDescriptor{1, 512}},
		{BlockDescriptor{1 << 32, 4096}, false, []byte{0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0x10, 0}, BlockDescriptor{0xFFFFFFFF, 4096}},
		{BlockDescriptor{1, 1 << 24}, false, []byte{0, 0, 0, 1, 0, 0xFF, 0xFF, 0xFF}, BlockDescriptor{1, 0xFFFFFF}},
		{BlockDescriptor{1 << 40, 4096}, true, []byte{0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0}, BlockDescriptor{1 << 40, 4096}},
	} {
		b := AppendBlockDescriptor(nil, x.d, x.long)
		require.Equal(t, x.want, b)
		got, err := ParseBlockDescriptor(b, x.long)
		require.NoError(t, err)
		require.Equal(t, x.back, got)
		_, err = ParseBlockDescriptor(b[:len(b)-1], x.long)
		require.ErrorIs(t, err, ErrShort)
	}
	// The byte before the block length is reserved.
	got, err := ParseBlockDescriptor([]byte{0, 0, 0, 0, 0xFF, 0, 2, 0}, false)
	require.NoError(t, err)
	require.EqualValues(t, 512, got.BlockSize)
}

func TestModePages(t *testing.T) {
	pages := []ModePage{
		{Page: 0x08, PS: true, Params: []byte{1, 2, 3}},
		{Page: 0x0A, Subpage: 0x01, SPF: true, Params: []byte{4}},
		{Page: 0x00, Params: []byte{}},
		{Page: 0x0A, Subpage: 0, SPF: true, Params: make([]byte, 300)},
	}
	var list []byte
	for _, p := range pages {
		list = AppendModePage(list, p)
	}
	rest := list
	i := 0
	for p, err := range ModePages(list) {
		require.NoError(t, err)
		require.Equal(t, rest[:len(p.Bytes)], p.Bytes)
		rest = rest[len(p.Bytes):]
		p.Bytes = nil
		require.Empty(t, cmp.Diff(pages[i], p))
		i++
	}
	require.Equal(t, len(pages), i)
	require.Empty(t, rest)

	for range ModePages(list) {
		break // stops without harm
	}
	for n := range len(list) - 1 {
		var bytes int
		var last error
		for p, err := range ModePages(list[:n]) {
			require.NoError(t, last, "an error is the last")
			bytes, last = bytes+len(p.Bytes), err
		}
		if last != nil {
			require.ErrorIs(t, last, ErrShort)
		} else {
			require.Equal(t, n, bytes)
		}
	}
}

func TestModePageLimits(t *testing.T) {
	require.Len(t, AppendModePage(nil, ModePage{Page: 1, Params: make([]byte, 300)}), 2+255)
	require.Len(t, AppendModePage(nil, ModePage{Page: 1, Subpage: 1, Params: make([]byte, 1<<17)}), 4+0xFFFF)
}

func TestControlPage(t *testing.T) {
	for _, p := range []ControlPage{{}, controlPage, {
		TST: 7, TMFOnly: true, DPICZ: true, RLEC: true, QueueAlg: 15, NUAR: true, QErr: 1, VS: true, RAC: true, UAInterlock: 3,
		ATO: true, ATMPE: true, RWWP: true, SBLP: true, AutoloadMode: 7,
	}} {
		b := AppendControlPage(nil, &p)
		require.Len(t, b, 12)
		got, err := ParseControlPage(b)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(p, got))
	}
	b := AppendControlPage(nil, &controlPage)
	b[0] |= 0x80 // PS
	_, err := ParseControlPage(b)
	require.NoError(t, err)
	_, err = ParseControlPage(b[:11])
	require.ErrorIs(t, err, ErrShort)
	b[1] = 6 // SCSI-2's length
	_, err = ParseControlPage(b)
	require.ErrorIs(t, err, ErrLength)
	b[0] = 0x4A // subpage format
	_, err = ParseControlPage(b)
	require.ErrorIs(t, err, ErrFormat)
}

func TestControlOf(t *testing.T) {
	for _, c := range []scsi.Control{
		{}, {TST: 1}, {QueueAlg: 1}, {QErr: 3}, {TMFOnly: true}, {TAS: true}, {SWP: true}, {DSense: true},
		{TST: 1, QueueAlg: 1, QErr: 1, TMFOnly: true, TAS: true, SWP: true, DSense: true},
	} {
		p := ControlPageOf(c)
		require.Equal(t, c, p.Control())
		got, err := ParseControlPage(AppendControlPage(nil, &p))
		require.NoError(t, err)
		require.Equal(t, c, got.Control())
	}
}

func TestExceptionsPage(t *testing.T) {
	for _, p := range []ExceptionsPage{{}, exceptionsPage, {Perf: true, EBF: true, EWASC: true, EBackErr: true, LogErr: true, MRIE: 15}} {
		b := AppendExceptionsPage(nil, &p)
		require.Len(t, b, 12)
		got, err := ParseExceptionsPage(b)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(p, got))
		_, err = ParseExceptionsPage(b[:11])
		require.ErrorIs(t, err, ErrShort)
	}
	_, err := ParseExceptionsPage(AppendControlPage(nil, &controlPage))
	require.ErrorIs(t, err, ErrFormat)
}

func FuzzModePages(f *testing.F) {
	f.Add(fixtures["control"](), false)
	f.Add(fixtures["exceptions"](), false)
	f.Add(fixtures["mode-6"](), false)
	f.Add(fixtures["mode-10"](), true)
	f.Fuzz(func(t *testing.T, b []byte, ten bool) {
		if h, n, err := ParseModeHeader(b, ten); err == nil && !bytes.Equal(b[:2], AppendModeHeader(nil, h, ten)[:2]) {
			t.Fatalf("header of %d bytes: %v", n, h)
		}
		for _, long := range []bool{false, true} {
			if d, err := ParseBlockDescriptor(b, long); err == nil {
				if again, err := ParseBlockDescriptor(AppendBlockDescriptor(nil, d, long), long); err != nil || again != d {
					t.Fatal(err, d, again)
				}
			}
		}
		rest := b
		for p, err := range ModePages(b) {
			if err != nil {
				return
			}
			if !bytes.Equal(AppendModePage(nil, p), p.Bytes) || !bytes.Equal(rest[:len(p.Bytes)], p.Bytes) {
				t.Fatalf("% x is not % x", AppendModePage(nil, p), p.Bytes)
			}
			rest = rest[len(p.Bytes):]
			if c, err := ParseControlPage(p.Bytes); err == nil {
				again, err := ParseControlPage(AppendControlPage(nil, &c))
				if err != nil || again != c {
					t.Fatal(err, cmp.Diff(c, again))
				}
			}
			if e, err := ParseExceptionsPage(p.Bytes); err == nil {
				again, err := ParseExceptionsPage(AppendExceptionsPage(nil, &e))
				if err != nil || again != e {
					t.Fatal(err, cmp.Diff(e, again))
				}
			}
		}
		if len(rest) != 0 {
			t.Fatalf("%d bytes of the list are in no page", len(rest))
		}
	})
}
