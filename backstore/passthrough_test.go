package backstore_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/backstoretest"
	"github.com/goscst/goscst/backstore/mem"
)

func TestPassthroughConformance(t *testing.T) {
	for name, wrap := range map[string]func(backstore.Backstore) backstore.Backstore{
		"all":  func(b backstore.Backstore) backstore.Backstore { return &backstore.Passthrough{Inner: b} },
		"bare": func(b backstore.Backstore) backstore.Backstore { return &backstore.Passthrough{Inner: bare{b}} },
		"hidden": func(b backstore.Backstore) backstore.Backstore {
			return &backstore.Passthrough{Inner: b, Hide: backstore.CapWrites}
		},
	} {
		t.Run(name, func(t *testing.T) {
			backstoretest.RunWith(t, func(*testing.T) backstore.Backstore { return wrap(mem.New(1 << 20)) },
				&backstoretest.Options{Ops: 60, ZeroAlloc: true})
		})
	}
}

// TestPassthroughRefuses: a method that cannot be forwarded says so, even if it is called against
// what Caps says.
func TestPassthroughRefuses(t *testing.T) {
	m := mem.New(1 << 20)
	defer m.Close()
	for _, p := range []*backstore.Passthrough{
		{Inner: bare{m}},
		{Inner: m, Hide: backstore.CapAll},
	} {
		ctx := t.Context()
		block := [][]byte{make([]byte, 512)}
		require.ErrorIs(t, p.Flush(ctx, 0, 0), errors.ErrUnsupported)
		require.ErrorIs(t, p.WritevFUA(ctx, block, 0), errors.ErrUnsupported)
		require.ErrorIs(t, p.Unmap(ctx, nil), errors.ErrUnsupported)
		require.ErrorIs(t, p.WriteZeroes(ctx, 0, 512, true), errors.ErrUnsupported)
		require.ErrorIs(t, p.WriteSame(ctx, block[0], 0, 512), errors.ErrUnsupported)
		require.ErrorIs(t, p.CompareAndWrite(ctx, block, block, 0), errors.ErrUnsupported)
		require.ErrorIs(t, p.Verify(ctx, 0, 512), errors.ErrUnsupported)
		require.ErrorIs(t, p.CopyRange(ctx, 0, m, 512, 512), errors.ErrUnsupported)
		require.ErrorIs(t, p.TryReadv(block, 0), backstore.ErrWouldBlock)
		require.ErrorIs(t, p.TryWritev(block, 0), backstore.ErrWouldBlock)
		_, err := p.AppendExtents(ctx, nil, 0, 512)
		require.ErrorIs(t, err, errors.ErrUnsupported)
		_, _, ok := p.Lend(0, 512, nil)
		require.False(t, ok)
		_, _, ok = p.LendMapped(0, 512, nil)
		require.False(t, ok)
		require.False(t, p.Intact())
		require.Zero(t, p.Identity())
		p.Notify(func(backstore.Event) { t.Error("an event from nowhere") })()
	}
	require.Zero(t, m.Allocated())
}
