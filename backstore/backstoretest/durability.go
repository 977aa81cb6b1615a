package backstoretest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
)

func (s *suite) testDurability(t *testing.T) {
	if s.Reopen == nil && s.PowerCut == nil {
		t.Skip("neither Reopen nor PowerCut is given")
	}
	if s.Reopen != nil {
		t.Run("Reopen", func(t *testing.T) {
			b := s.open(t)
			want := s.scatter(t, b)
			b = s.Reopen(t, b)
			defer func() { require.NoError(t, b.Close()) }()
			s.requireScattered(t, b, want)
		})
	}
	if s.PowerCut == nil {
		return
	}
	for name, makeDurable := range map[string]func(*testing.T, *device){
		"Flush": func(t *testing.T, d *device) {
			require.NoError(t, d.flush(t.Context(), 0, 0))
		},
		"FlushRange": func(t *testing.T, d *device) {
			require.NoError(t, d.flush(t.Context(), 0, d.b.Geometry().Size))
		},
		"NotVolatile": func(t *testing.T, d *device) {
			if d.b.Geometry().Volatile {
				t.Skip("the store is volatile")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := s.open(t)
			want := s.scatter(t, b)
			makeDurable(t, native(b))
			b = s.PowerCut(t, b)
			defer func() { require.NoError(t, b.Close()) }()
			s.requireScattered(t, b, want)
		})
	}
	t.Run("FUA", s.testDurableFUA)
}

// testDurableFUA: a FUA write survives, whatever was in the cache before it and beside it.
func (s *suite) testDurableFUA(t *testing.T) {
	b := s.open(t)
	g := b.Geometry()
	rng := newRand(t)
	bs := int64(g.BlockSize)
	before := make([]byte, 8*bs)
	fill(rng, before)
	mustWrite(t, b, before[:min(8*bs, maxIO(g))], 0)
	want := make([]byte, 2*bs)
	fill(rng, want)
	require.NoError(t, native(b).writeFUA(t.Context(), split(rng, want), 3*bs))
	b = s.PowerCut(t, b)
	defer func() { require.NoError(t, b.Close()) }()
	requireSame(t, want, mustRead(t, b, 3*bs, 2*bs), 3*bs, "a FUA write after the power cut")
}

// scatter changes the windows in every way and returns their contents.
func (s *suite) scatter(t *testing.T, b backstore.Backstore) [][]byte {
	t.Helper()
	g := b.Geometry()
	rng := newRand(t)
	var all [][]byte
	for _, w := range windows(g) {
		m := &model{rng: rng, d: native(b), g: g, w: w, want: make([]byte, w.Len)}
		mustWrite(t, b, m.want, w.Off)
		for range s.Ops / 4 {
			name, err := m.step(t.Context())
			require.NoError(t, err, name)
		}
		all = append(all, m.want)
	}
	return all
}

func (s *suite) requireScattered(t *testing.T, b backstore.Backstore, want [][]byte) {
	t.Helper()
	for i, w := range windows(b.Geometry()) {
		requireSame(t, want[i], mustRead(t, b, w.Off, w.Len), w.Off, "after opening it again")
	}
}

// testResize grows and shrinks: what is kept is kept, what is new reads as zeroes, and everybody
// hears of it.
func (s *suite) testResize(t *testing.T) {
	b := s.store(t)
	g := b.Geometry()
	rng := newRand(t)
	bs := int64(g.BlockSize)
	n := 16 * bs
	var events []backstore.Event
	notifier := backstore.Resolve(b).Notifier
	require.NotNil(t, notifier, "a store that can be resized is a Notifier")
	defer notifier.Notify(func(e backstore.Event) { events = append(events, e) })()

	want := make([]byte, n)
	fill(rng, want)
	mustWrite(t, b, want, g.Size-n)
	require.NoError(t, s.Resize(b, g.Size+n))
	require.Equal(t, g.Size+n, b.Geometry().Size)
	requireSame(t, want, mustRead(t, b, g.Size-n, n), g.Size-n, "the old end")
	requireSame(t, make([]byte, n), mustRead(t, b, g.Size, n), g.Size, "the new end")
	mustWrite(t, b, want, g.Size)

	cut := g.Size - 5*bs
	require.NoError(t, s.Resize(b, cut))
	require.Equal(t, cut, b.Geometry().Size)
	require.ErrorIs(t, b.Readv(t.Context(), [][]byte{make([]byte, bs)}, cut), backstore.ErrOutOfRange)
	require.ErrorIs(t, b.Writev(t.Context(), [][]byte{make([]byte, bs)}, cut), backstore.ErrOutOfRange)
	requireSame(t, want[:n-5*bs], mustRead(t, b, g.Size-n, n-5*bs), g.Size-n, "what is left")

	require.NoError(t, s.Resize(b, g.Size+n))
	requireSame(t, make([]byte, n+5*bs), mustRead(t, b, cut, n+5*bs), cut, "cut off and grown again")
	require.Error(t, s.Resize(b, g.Size+1))
	require.Error(t, s.Resize(b, -bs))
	require.NoError(t, s.Resize(b, g.Size+n), "the size that it has")
	capacity := backstore.Event{Kind: backstore.EventCapacity}
	require.Equal(t, []backstore.Event{capacity, capacity, capacity}, events)
}
