package sbc

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestCapacity16(t *testing.T) {
	for _, c := range []Capacity{{}, fullCapacity, {LastLBA: 1<<64 - 1, BlockSize: 1<<32 - 1, RCBasis: 3, PType: 7, PIExponent: 15,
		PhysExponent: 15, LowestAligned: 0x3FFF}, {LBPME: true}, {LBPRZ: true}, {ProtEnabled: true}} {
		b := AppendCapacity16([]byte{0xEE}, &c)
		require.Len(t, b, 1+32)
		got, err := ParseCapacity16(b[1:])
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(c, got))
		got, err = ParseCapacity16(b[1:17])
		require.NoError(t, err)
		require.Equal(t, c, got)
		_, err = ParseCapacity16(b[1:16])
		require.ErrorIs(t, err, ErrShort)
	}
	// An address that has no place is cut, and does not run into other fields.
	got, err := ParseCapacity16(AppendCapacity16(nil, &Capacity{LowestAligned: 0xFFFF, PhysExponent: 0xFF}))
	require.NoError(t, err)
	require.Equal(t, Capacity{LowestAligned: 0x3FFF, PhysExponent: 0xF}, got)
}

func TestCapacity10(t *testing.T) {
	for _, x := range []struct {
		last uint64
		want uint32
	}{{0, 0}, {1, 1}, {0xFFFFFFFE, 0xFFFFFFFE}, {0xFFFFFFFF, TooLarge}, {1 << 32, TooLarge}, {1<<64 - 1, TooLarge}} {
		b := AppendCapacity10(nil, x.last, 512)
		last, size, err := ParseCapacity10(b)
		require.NoError(t, err)
		require.Equal(t, x.want, last, "%d", x.last)
		require.EqualValues(t, 512, size)
		_, _, err = ParseCapacity10(b[:7])
		require.ErrorIs(t, err, ErrShort)
	}
}

func TestLimits(t *testing.T) {
	for _, l := range []Limits{{}, fullLimits, {UnmapAligned: true}, {UnmapAlignment: 1<<31 - 1}} {
		b := AppendLimits(nil, &l)
		require.Len(t, b, 0x3C, "SBC-3: the page length is 3Ch")
		got, err := ParseLimits(b)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(l, got))
	}
	got, err := ParseLimits(AppendLimits(nil, &Limits{UnmapAlignment: 1<<32 - 1}))
	require.NoError(t, err)
	require.Equal(t, Limits{UnmapAlignment: 1<<31 - 1}, got, "the alignment does not set UGAVALID")

	b := AppendLimits(nil, &fullLimits)
	for n := range b {
		got, err := ParseLimits(b[:n])
		require.Equal(t, n >= 12, err == nil, "%d bytes", n)
		if err == nil {
			require.Equal(t, fullLimits.MaxTransfer, got.MaxTransfer)
			require.Equal(t, n >= 20, got.MaxUnmapBlocks == fullLimits.MaxUnmapBlocks)
		}
	}
	got, err = ParseLimits(append(b, 1, 2, 3))
	require.NoError(t, err)
	require.Equal(t, fullLimits, got)
}

func TestCharacteristics(t *testing.T) {
	for _, c := range []Characteristics{{}, fullCharacteristics, {RotationRate: NonRotating}, {WACEREQ: 3, FormFactor: 15, Zoned: 3}} {
		b := AppendCharacteristics(nil, &c)
		require.Len(t, b, 0x3C, "SBC-3: the page length is 3Ch")
		got, err := ParseCharacteristics(b)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(c, got))
		_, err = ParseCharacteristics(b[:0x3B])
		require.ErrorIs(t, err, ErrShort)
	}
}

func TestProvisioning(t *testing.T) {
	for _, p := range []Provisioning{{}, fullProvisioning, {LBPRZ: 7, MinimumPercentage: 31, Type: 7}, {AncSup: true}} {
		b := AppendProvisioning(nil, &p)
		got, err := ParseProvisioning(append(b, 0xFF))
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(p, got))
		for n := range b {
			_, err := ParseProvisioning(b[:n])
			require.ErrorIs(t, err, ErrShort)
		}
	}
}

func TestCachingPage(t *testing.T) {
	for _, p := range []CachingPage{{}, fullCaching, {WCE: true}, {RCD: true}, {DRA: true, SyncProg: 3}} {
		b := AppendCachingPage(nil, &p)
		require.Len(t, b, 20)
		got, err := ParseCachingPage(b)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(p, got))
		_, err = ParseCachingPage(b[:19])
		require.ErrorIs(t, err, ErrShort)
	}
	b := AppendCachingPage(nil, &fullCaching)
	b[0] |= 0x80 // PS
	_, err := ParseCachingPage(b)
	require.NoError(t, err)
	b[1] = 0x0A // SCSI-2's length
	_, err = ParseCachingPage(b)
	require.ErrorIs(t, err, ErrFormat)
}

func TestRecoveryPage(t *testing.T) {
	for _, p := range []RecoveryPage{{}, fullRecovery, {AWRE: true}, {ARRE: true}, {MWR: 3}} {
		b := AppendRecoveryPage(nil, &p)
		require.Len(t, b, 12)
		got, err := ParseRecoveryPage(b)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(p, got))
		_, err = ParseRecoveryPage(b[:11])
		require.ErrorIs(t, err, ErrShort)
	}
	b := AppendCachingPage(nil, &CachingPage{})
	_, err := ParseRecoveryPage(b)
	require.ErrorIs(t, err, ErrFormat)
}

// FuzzParsePages reads b as each kind of page; what is read is what is written again.
func FuzzParsePages(f *testing.F) {
	for _, make := range fixtures {
		f.Add(make())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := ParseCapacity16(b); err == nil {
			if again, err := ParseCapacity16(AppendCapacity16(nil, &v)); err != nil || again != v {
				t.Fatal(err, cmp.Diff(v, again))
			}
		}
		if last, size, err := ParseCapacity10(b); err == nil {
			if last2, size2, err := ParseCapacity10(AppendCapacity10(nil, uint64(last), size)); err != nil || last2 != last || size2 != size {
				t.Fatal(err, last, last2, size, size2)
			}
		}
		if v, err := ParseLimits(b); err == nil {
			if again, err := ParseLimits(AppendLimits(nil, &v)); err != nil || again != v {
				t.Fatal(err, cmp.Diff(v, again))
			}
		}
		if v, err := ParseCharacteristics(b); err == nil {
			if again, err := ParseCharacteristics(AppendCharacteristics(nil, &v)); err != nil || again != v {
				t.Fatal(err, cmp.Diff(v, again))
			}
		}
		if v, err := ParseProvisioning(b); err == nil {
			again, err := ParseProvisioning(AppendProvisioning(nil, &v))
			if d := cmp.Diff(v, again); err != nil || d != "" {
				t.Fatal(err, d)
			}
		}
		if v, err := ParseCachingPage(b); err == nil {
			if again, err := ParseCachingPage(AppendCachingPage(nil, &v)); err != nil || again != v {
				t.Fatal(err, cmp.Diff(v, again))
			}
		}
		if v, err := ParseRecoveryPage(b); err == nil {
			if again, err := ParseRecoveryPage(AppendRecoveryPage(nil, &v)); err != nil || again != v {
				t.Fatal(err, cmp.Diff(v, again))
			}
		}
	})
}
