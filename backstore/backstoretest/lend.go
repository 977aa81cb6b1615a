package backstoretest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
)

// lending is what differs between Lender and MapLender.
type lending struct {
	lend func(off, n int64, dst [][]byte) (iov [][]byte, release func(), ok bool)
	look func(iov [][]byte) ([]byte, error) // returns a copy of what is lent
	live bool                               // what is written meanwhile may show
}

func (s *suite) testLend(t *testing.T, b backstore.Backstore, a backstore.Abilities) {
	testLending(t, b, a, lending{lend: a.Lender.Lend, look: joined})
}

func (s *suite) testLendMapped(t *testing.T, b backstore.Backstore, a backstore.Abilities) {
	testLending(t, b, a, lending{lend: func(off, n int64, dst [][]byte) ([][]byte, func(), bool) {
		if !a.MapLender.Intact() {
			return dst, nil, false
		}
		return a.MapLender.LendMapped(off, n, dst)
	}, look: throughSystem, live: true})
}

func joined(iov [][]byte) ([]byte, error) { return bytes.Join(iov, nil), nil }

// throughSystem returns a copy of memory that only system calls may touch.
func throughSystem(iov [][]byte) ([]byte, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	wrote := make(chan error, 1)
	go func() {
		var err error
		for _, b := range iov {
			if _, err = w.Write(b); err != nil {
				break
			}
		}
		wrote <- errors.Join(err, w.Close())
	}()
	data, err := io.ReadAll(r)
	return data, errors.Join(err, <-wrote, r.Close())
}

// testLending lends ranges that were just written, and looks at them again after a write and an
// unmap: each block is as it was lent, or, where that may show, as it was made since.
func testLending(t *testing.T, b backstore.Backstore, a backstore.Abilities, l lending) {
	rng := newRand(t)
	bs := b.Geometry().BlockSize
	prefix := []byte("kept")
	lent, refused := 0, 0
	eachRange(t, b, func(want []byte, base int64, e backstore.Extent) {
		p := part(want, base, e)
		iov, release, ok := l.lend(e.Off, e.Len, [][]byte{prefix})
		if !ok {
			require.Nil(t, release)
			require.Len(t, iov, 1, "dst must come back unchanged")
			refused++
			return
		}
		lent++
		require.Equal(t, "kept", string(iov[0]))
		iov = iov[1:]
		require.Equal(t, e.Len, backstore.Len(iov))
		shown := [][]byte{slices.Clone(p)} // what each block may show
		check := func(what string) {
			got, err := l.look(iov)
			require.NoError(t, err)
			require.Len(t, got, len(p), what)
			for i := 0; i < len(p); i += bs {
				block := got[i : i+bs]
				if !slices.ContainsFunc(shown, func(data []byte) bool { return bytes.Equal(data[i:i+bs], block) }) {
					requireSame(t, shown[len(shown)-1][i:i+bs], block, e.Off+int64(i), what)
				}
			}
		}
		check("lent")
		fill(rng, p)
		mustWrite(t, b, p, e.Off)
		if l.live {
			shown = append(shown, slices.Clone(p))
		}
		check("lent memory after a write")
		if a.Unmapper != nil {
			require.NoError(t, a.Unmapper.Unmap(t.Context(), []backstore.Extent{e}))
			clear(p)
			if l.live {
				shown = append(shown, slices.Clone(p))
			}
			check("lent memory after an unmap")
		}
		release()
	})
	t.Logf("%d ranges lent, %d not", lent, refused)
	require.Positive(t, lent, "a store that never lends what was just written must list the ability in Without")
}
