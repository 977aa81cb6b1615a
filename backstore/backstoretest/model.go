package backstoretest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
)

// testModel runs a random list of operations on a store and on a slice of bytes, once with the
// abilities of the store and once with their emulation.
func (s *suite) testModel(t *testing.T) {
	for name, wrap := range map[string]func(backstore.Backstore) *device{"native": native, "emulated": emulated} {
		t.Run(name, func(t *testing.T) {
			b := s.store(t)
			g := b.Geometry()
			rng := newRand(t)
			for _, w := range windows(g) {
				m := &model{rng: rng, d: wrap(b), g: g, w: w, want: make([]byte, w.Len)}
				fill(rng, m.want)
				mustWrite(t, b, m.want, w.Off)
				for i := range s.Ops {
					name, err := m.step(t.Context())
					require.NoError(t, err, "operation %d: %s", i, name)
					if i%128 == 127 {
						requireSame(t, m.want, mustRead(t, b, w.Off, w.Len), w.Off, "after "+name)
					}
				}
				requireSame(t, m.want, mustRead(t, b, w.Off, w.Len), w.Off, "in the end")
			}
		})
	}
}

// model is the expected contents of a window.
type model struct {
	rng  *rand.Rand
	d    *device
	g    backstore.Geometry
	w    backstore.Extent
	want []byte
}

// step does one operation and describes it.
func (m *model) step(ctx context.Context) (string, error) {
	at, n := randomRange(m.rng, m.g, m.w)
	off := m.w.Off + at
	p := m.want[at : at+n]
	name := func(op string) string { return fmt.Sprintf("%s of %d bytes at %d", op, n, off) }
	switch m.rng.IntN(12) {
	case 0, 1:
		got := make([]byte, n)
		err := m.d.read(ctx, split(m.rng, got), off)
		return name("read"), errors.Join(err, differ(p, got))
	case 2, 3:
		fill(m.rng, p)
		return name("write"), m.d.write(ctx, split(m.rng, p), off)
	case 4:
		fill(m.rng, p)
		return name("FUA write"), m.d.writeFUA(ctx, split(m.rng, p), off)
	case 5:
		return name("flush"), m.d.flush(ctx, off, n)
	case 6:
		clear(p)
		return name("unmap"), m.d.unmap(ctx, []backstore.Extent{{Off: off, Len: n}})
	case 7:
		clear(p)
		return name("zero"), m.d.zero(ctx, off, n, m.rng.IntN(2) == 0)
	case 8:
		block := p[:m.g.BlockSize]
		fill(m.rng, block)
		for i := len(block); i < len(p); i += len(block) {
			copy(p[i:], block)
		}
		return name("write same"), m.d.writeSame(ctx, block, off, n)
	case 9:
		return name("compare and write"), m.compareAndWrite(ctx, p, off)
	case 10:
		got, err := m.d.lend(ctx, off, n)
		return name("lend"), errors.Join(err, differ(p, got))
	default:
		return m.copyRange(ctx, at, n)
	}
}

// compareAndWrite hits or misses.
func (m *model) compareAndWrite(ctx context.Context, p []byte, off int64) error {
	compare := append([]byte(nil), p...)
	fresh := make([]byte, len(p))
	fill(m.rng, fresh)
	if m.rng.IntN(2) == 0 {
		err := m.d.compareAndWrite(ctx, split(m.rng, compare), split(m.rng, fresh), off)
		copy(p, fresh)
		return err
	}
	at := m.rng.IntN(len(p))
	compare[at]++
	var miss *backstore.MiscompareError
	err := m.d.compareAndWrite(ctx, split(m.rng, compare), split(m.rng, fresh), off)
	if !errors.As(err, &miss) || miss.Offset != int64(at) {
		return fmt.Errorf("want a miscompare at %d, not %w", at, err)
	}
	return nil
}

func (m *model) copyRange(ctx context.Context, at, n int64) (string, error) {
	bs := int64(m.g.BlockSize)
	blocks := (m.w.Len - n) / bs
	from := m.rng.Int64N(blocks+1) * bs
	if from < at+n && at < from+n {
		return "overlapping copy left out", nil
	}
	copy(m.want[at:at+n], m.want[from:from+n])
	return fmt.Sprintf("copy of %d bytes from %d to %d", n, m.w.Off+from, m.w.Off+at),
		m.d.copyRange(ctx, m.w.Off+at, m.w.Off+from, n)
}

// differ is an error that names the first byte that is not as it should be.
func differ(want, got []byte) error {
	for i := range want {
		if want[i] != got[i] {
			return fmt.Errorf("byte %d of the range is %#02x, want %#02x", i, got[i], want[i])
		}
	}
	return nil
}
