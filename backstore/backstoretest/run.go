package backstoretest

import (
	"bytes"
	"context"
	"flag"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
)

var seedFlag = flag.Uint64("backstoretest.seed", 0, "seed of the random tests; 0: a new one")

// window is how much of a store the suite uses at its start and at its end, and 64 blocks at least.
const window = 320 << 10

// Open makes a new store for one subtest. It holds at least 64 blocks; its contents do not matter
// and are overwritten. The suite closes it.
type Open func(t *testing.T) backstore.Backstore

// Options add checks that not every store can pass. nil adds none.
type Options struct {
	// Reopen closes b in the regular way and opens its contents again. nil: not checked.
	Reopen func(t *testing.T, b backstore.Backstore) backstore.Backstore

	// PowerCut loses what the store may lose in a power failure and opens what is left.
	// nil: durability is not checked.
	PowerCut func(t *testing.T, b backstore.Backstore) backstore.Backstore

	// Resize changes the size to a multiple of the block size. nil: not checked.
	Resize func(b backstore.Backstore, size int64) error

	// Discards says that the store keeps nothing and reads as zeroes: what is read is not checked.
	Discards bool

	// WholeReads demands that a read never sees a block half written by a concurrent write.
	WholeReads bool

	// Ops is the number of operations of each random test. 0: 300.
	Ops int

	// ZeroAlloc demands that Readv and Writev do not allocate in steady state.
	ZeroAlloc bool
}

// Run checks the stores that open makes.
func Run(t *testing.T, open Open) { RunWith(t, open, nil) }

// RunWith is Run with options.
func RunWith(t *testing.T, open Open, opts *Options) {
	if opts == nil {
		opts = &Options{}
	}
	s := &suite{Options: *opts, open: open}
	if s.Ops == 0 {
		s.Ops = 300
	}
	t.Run("Geometry", s.testGeometry)
	t.Run("Close", s.testClose)
	t.Run("Bounds", s.testBounds)
	t.Run("ZeroLength", s.testZeroLength)
	t.Run("Cancel", s.testCancel)
	if s.ZeroAlloc {
		t.Run("ZeroAlloc", s.testZeroAlloc)
	}
	if s.readOnly(t) {
		t.Run("ReadOnly", s.testReadOnly)
		return
	}
	if s.Discards {
		return
	}
	t.Run("Patterns", s.testPatterns)
	t.Run("Vectors", s.testVectors)
	t.Run("IovNotKept", s.testIovNotKept)
	t.Run("Disjoint", s.testDisjoint)
	t.Run("Overlapping", s.testOverlapping)
	t.Run("Abilities", s.testAbilities)
	t.Run("Model", s.testModel)
	t.Run("Durability", s.testDurability)
	if s.Resize != nil {
		t.Run("Resize", s.testResize)
	}
}

type suite struct {
	Options
	open Open
}

// store opens a store, closes it at the end of the test, and checks what the suite builds on.
func (s *suite) store(t *testing.T) backstore.Backstore {
	t.Helper()
	b := s.open(t)
	require.NotNil(t, b)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	g := b.Geometry()
	require.NoError(t, g.Validate())
	require.GreaterOrEqual(t, g.Blocks(), uint64(64), "the suite needs 64 blocks")
	require.GreaterOrEqual(t, maxIO(g), int64(4*g.BlockSize), "the suite needs a MaxIO of 4 blocks")
	return b
}

func (s *suite) readOnly(t *testing.T) (ro bool) {
	t.Run("Open", func(t *testing.T) { ro = s.store(t).Geometry().ReadOnly })
	return ro
}

// windows are the parts of a store that are tested: its start and its end.
func windows(g backstore.Geometry) []backstore.Extent {
	n := max(window, 64*int64(g.BlockSize))
	if g.Size <= n {
		return []backstore.Extent{{Len: g.Size}}
	}
	return []backstore.Extent{{Len: n}, {Off: g.Size - n, Len: n}}
}

// maxIO is how much one call may move.
func maxIO(g backstore.Geometry) int64 {
	if g.MaxIO > 0 {
		return min(int64(g.MaxIO), window)
	}
	return window
}

// newRand returns a generator whose seed is logged.
func newRand(t *testing.T) *rand.Rand {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-backstoretest.seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// noise is where fill copies from: making a megabyte of random numbers takes too long under the
// race detector.
var noise = func() (b [64 << 10]byte) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}()

// fill writes random bytes: a few hundred at a time from a random place of noise.
func fill(rng *rand.Rand, b []byte) {
	for len(b) > 0 {
		from := rng.IntN(len(noise) - 1)
		b = b[copy(b[:min(len(b), 509)], noise[from:]):]
	}
}

// split cuts b into a random vector, with empty elements in it.
func split(rng *rand.Rand, b []byte) [][]byte {
	iov := [][]byte{}
	for len(b) > 0 {
		var n int
		switch rng.IntN(4) {
		case 0:
			n = rng.IntN(len(b) + 1)
		case 1:
			n = min(len(b), 512*(1+rng.IntN(16)))
		case 2:
			n = rng.IntN(min(len(b), 100) + 1)
		default:
			n = len(b)
		}
		iov = append(iov, b[:n:n])
		b = b[n:]
	}
	return iov
}

// mustRead reads n bytes at off in pieces that the store allows.
func mustRead(t *testing.T, b backstore.Backstore, off, n int64) []byte {
	t.Helper()
	data := make([]byte, n)
	step := maxIO(b.Geometry())
	for i := int64(0); i < n; i += step {
		part := data[i:min(n, i+step)]
		require.NoError(t, b.Readv(context.Background(), [][]byte{part}, off+i))
	}
	return data
}

// mustWrite writes data at off in pieces that the store allows.
func mustWrite(t *testing.T, b backstore.Backstore, data []byte, off int64) {
	t.Helper()
	step := maxIO(b.Geometry())
	for i := int64(0); i < int64(len(data)); i += step {
		part := data[i:min(int64(len(data)), i+step)]
		require.NoError(t, b.Writev(context.Background(), [][]byte{part}, off+i))
	}
}

// requireSame compares without printing a megabyte.
func requireSame(t *testing.T, want, got []byte, off int64, what string) {
	t.Helper()
	require.Equal(t, len(want), len(got), what)
	if bytes.Equal(want, got) {
		return
	}
	for i := range want {
		if want[i] != got[i] {
			require.FailNowf(t, "wrong data", "%s: byte %d is %#02x, want %#02x", what, off+int64(i), got[i], want[i])
		}
	}
}
