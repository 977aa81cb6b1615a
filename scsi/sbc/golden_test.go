package sbc

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/script"
)

// The fixtures of the package's tests. Every field has a value of its own.
var (
	fullLimits = Limits{
		WSNZ: true, MaxCompareAndWrite: 0x11, OptGranularity: 0x1213, MaxTransfer: 0x14151617, OptTransfer: 0x18191A1B,
		MaxPrefetch: 0x1C1D1E1F, MaxUnmapBlocks: 0x20212223, MaxUnmapExtents: 0x24252627, UnmapGranularity: 0x28292A2B,
		UnmapAlignment: 0x2C2D2E2F, UnmapAligned: true, MaxWriteSame: 0x3031323334353637, MaxAtomic: 0x38393A3B,
		AtomicAlignment: 0x3C3D3E3F, AtomicGranularity: 0x40414243, MaxAtomicBoundary: 0x44454647, AtomicBoundarySize: 0x48494A4B,
	}
	fullCharacteristics = Characteristics{
		RotationRate: 7200, ProductType: 5, WABEREQ: 3, WACEREQ: 1, FormFactor: 2, Zoned: 1, FUAB: true, VBULS: true,
		DepopulationTime: 0x01020304,
	}
	fullProvisioning = Provisioning{
		ThresholdExponent: 4, LBPU: true, LBPWS: true, LBPWS10: true, LBPRZ: 1, AncSup: true, MinimumPercentage: 10, Type: Thin,
		ThresholdPercent: 90, Group: []byte{0x01, 0x03, 0x00, 0x08, 0x30, 1, 2, 3, 4, 5, 6, 7},
	}
	fullCapacity = Capacity{
		LastLBA: 0x0102030405060708, BlockSize: 4096, RCBasis: 1, ProtEnabled: true, PType: 2, PIExponent: 3, PhysExponent: 4,
		LBPME: true, LBPRZ: true, LowestAligned: 0x2ABC,
	}
	fullCaching = CachingPage{
		IC: true, ABPF: true, CAP: true, Disc: true, Size: true, WCE: true, MF: true, RCD: true, ReadRetention: 0xA, WriteRetention: 0xB,
		DisablePrefetch: 0x0102, MinPrefetch: 0x0304, MaxPrefetch: 0x0506, PrefetchCeiling: 0x0708, FSW: true, LBCSS: true, DRA: true,
		SyncProg: 2, NVDis: true, Segments: 9, SegmentSize: 0x0A0B,
	}
	fullRecovery = RecoveryPage{
		AWRE: true, ARRE: true, TB: true, RC: true, EER: true, PER: true, DTE: true, DCR: true, ReadRetries: 1, LBPERE: true, MWR: 2,
		WriteRetries: 3, RecoveryTimeLimit: 0x0405,
	}
	someExtents = []Extent{{0x0102030405060708, 0x090A0B0C}, {0, 0}, {1<<64 - 1, 1<<32 - 1}}
	someStates  = []LBAStatus{{Extent{0, 8}, Mapped}, {Extent{8, 1 << 31}, Deallocated}, {Extent{1 << 40, 1}, Anchored}}
)

var fixtures = map[string]func() []byte{
	"limits":              func() []byte { return AppendLimits(nil, &fullLimits) },
	"limits-none":         func() []byte { return AppendLimits(nil, &Limits{}) },
	"characteristics":     func() []byte { return AppendCharacteristics(nil, &fullCharacteristics) },
	"characteristics-ssd": func() []byte { return AppendCharacteristics(nil, &Characteristics{RotationRate: NonRotating}) },
	"provisioning":        func() []byte { return AppendProvisioning(nil, &fullProvisioning) },
	"provisioning-thin": func() []byte {
		return AppendProvisioning(nil, &Provisioning{LBPU: true, LBPWS: true, LBPWS10: true, LBPRZ: 1, Type: Thin})
	},
	"capacity-16": func() []byte { return AppendCapacity16(nil, &fullCapacity) },
	"capacity-16-plain": func() []byte {
		return AppendCapacity16(nil, &Capacity{LastLBA: 131071, BlockSize: 512, PhysExponent: 3})
	},
	"capacity-10":       func() []byte { return AppendCapacity10(nil, 131071, 512) },
	"capacity-10-large": func() []byte { return AppendCapacity10(nil, 1<<32, 4096) },
	"unmap":             func() []byte { return AppendUnmap(nil, someExtents) },
	"lba-status":        func() []byte { return AppendLBAStatus(nil, someStates) },
	"caching":           func() []byte { return AppendCachingPage(nil, &fullCaching) },
	"caching-wce":       func() []byte { return AppendCachingPage(nil, &CachingPage{WCE: true}) },
	"recovery":          func() []byte { return AppendRecoveryPage(nil, &fullRecovery) },
	"recovery-awre":     func() []byte { return AppendRecoveryPage(nil, &RecoveryPage{AWRE: true, ARRE: true}) },
}

// TestGolden compares the outputs with files, whose bytes have been read against SBC-3 and,
// for the fields that are newer, SBC-4.
func TestGolden(t *testing.T) {
	script.RunDir(t, "testdata/golden", func(t *testing.T) script.Func {
		return func(c *script.Cmd) string {
			f := fixtures[c.Name]
			require.NotNil(t, f, "no fixture %q", c.Name)
			return dump(f())
		}
	})
}

// dump is b in lines of 16 bytes with their offsets.
func dump(b []byte) string {
	var s strings.Builder
	for at := 0; at < len(b); at += 16 {
		fmt.Fprintf(&s, "%04x  % x\n", at, b[at:min(at+16, len(b))])
	}
	return s.String()
}
