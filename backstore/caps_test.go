package backstore_test

import (
	"context"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/mem"
)

// bare has the four methods of a Backstore and nothing else.
type bare struct{ backstore.Backstore }

// full claims every ability and lists in its geometry what it does not have.
type full struct {
	bare
	backstore.Flusher
	backstore.FUAWriter
	backstore.Unmapper
	backstore.Zeroer
	backstore.WriteSamer
	backstore.CompareAndWriter
	backstore.NowaitIO
	backstore.Lender
	backstore.MapLender
	backstore.Verifier
	backstore.ExtentMapper
	backstore.Copier
	backstore.Notifier
	backstore.Identifier
	without backstore.Cap
}

func (f *full) Geometry() backstore.Geometry {
	return backstore.Geometry{Size: 1 << 20, BlockSize: 512, Without: f.without}
}
func (f *full) Submit(*backstore.Op) {}

func TestCapsOfEachBit(t *testing.T) {
	require.Equal(t, backstore.CapAll, backstore.Caps(&full{}))
	require.Zero(t, backstore.Caps(bare{mem.New(512)}))
	for bit := backstore.Cap(1); bit&backstore.CapAll != 0; bit <<= 1 {
		a := backstore.Resolve(&full{without: bit})
		require.Equal(t, backstore.CapAll&^bit, a.Caps, "%v", bit)
		requireConsistent(t, a)
		a = backstore.Resolve(&full{without: backstore.CapAll &^ bit})
		require.Equal(t, bit, a.Caps)
		requireConsistent(t, a)
	}
}

// requireConsistent: an interface is nil exactly when its bit is missing.
func requireConsistent(t *testing.T, a backstore.Abilities) {
	t.Helper()
	v := reflect.ValueOf(a)
	set := 0
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Interface && !f.IsNil() {
			set++
		}
	}
	bits := 0
	for c := a.Caps; c != 0; c &= c - 1 {
		bits++
	}
	require.Equal(t, bits, set)
}

func TestCapString(t *testing.T) {
	require.Equal(t, "none", backstore.Cap(0).String())
	require.Equal(t, "flush|submit", (backstore.CapFlush | backstore.CapSubmit).String())
	require.Equal(t, "flush|fua|unmap|zero|writesame|caw|nowait|lend|lendmapped|verify|extents|copy|notify|identity|submit",
		backstore.CapAll.String())
	require.True(t, backstore.CapAll.Has(backstore.CapLend))
	require.False(t, backstore.CapLend.Has(backstore.CapLend|backstore.CapFUA))
}

func TestPassthroughCaps(t *testing.T) {
	inner := mem.New(1 << 20)
	defer inner.Close()
	tests := []struct {
		name  string
		inner backstore.Backstore
		hide  backstore.Cap
		want  backstore.Cap
	}{
		{"mem", inner, 0, backstore.Caps(inner)},
		{"bare", bare{inner}, 0, 0},
		{"submitter", &full{}, 0, backstore.CapAll &^ backstore.CapSubmit},
		{"denied", &full{without: backstore.CapLend}, 0, backstore.CapAll &^ backstore.CapSubmit &^ backstore.CapLend},
		{"hidden", inner, backstore.CapReads, backstore.Caps(inner) &^ backstore.CapReads},
		{"nested", &backstore.Passthrough{Inner: inner, Hide: backstore.CapFUA}, backstore.CapLend,
			backstore.Caps(inner) &^ (backstore.CapFUA | backstore.CapLend)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &backstore.Passthrough{Inner: tt.inner, Hide: tt.hide}
			require.Equal(t, tt.want, backstore.Caps(p))
			g := tt.inner.Geometry()
			g.Without = p.Geometry().Without
			require.Equal(t, g, p.Geometry(), "nothing else of the geometry changes")
		})
	}
}

// adding is a wrapper that can flush although what is below it cannot.
type adding struct {
	backstore.Passthrough
	flushes int
}

func (a *adding) Geometry() backstore.Geometry {
	g := a.Passthrough.Geometry()
	g.Without &^= backstore.CapFlush
	return g
}

func (a *adding) Flush(context.Context, int64, int64) error { a.flushes++; return nil }

func TestPassthroughWithAddedAbility(t *testing.T) {
	m := mem.New(512)
	defer m.Close()
	w := &adding{Passthrough: backstore.Passthrough{Inner: bare{m}}}
	a := backstore.Resolve(w)
	require.Equal(t, backstore.CapFlush, a.Caps)
	require.NoError(t, a.Flusher.Flush(t.Context(), 0, 0))
	require.Equal(t, 1, w.flushes)
}
