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

// testLendMapped: what is lent is the data of the range, old or new while it is written to.
func (s *suite) testLendMapped(t *testing.T, b backstore.Backstore, a backstore.Abilities) {
	rng := newRand(t)
	bs := b.Geometry().BlockSize
	prefix := []byte("kept")
	lent, refused := 0, 0
	eachRange(t, b, func(want []byte, base int64, e backstore.Extent) {
		p := part(want, base, e)
		iov, release, ok := a.MapLender.LendMapped(e.Off, e.Len, [][]byte{prefix})
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
		got, err := throughSystem(iov)
		require.NoError(t, err)
		requireSame(t, p, got, e.Off, "lent")
		oldOrNew := func(what string, old []byte) {
			got, err := throughSystem(iov)
			require.NoError(t, err)
			require.Len(t, got, len(p))
			for i := 0; i < len(p); i += bs {
				if g := got[i : i+bs]; !bytes.Equal(g, old[i:i+bs]) {
					requireSame(t, p[i:i+bs], g, e.Off+int64(i), "lent memory after "+what)
				}
			}
		}
		old := slices.Clone(p)
		fill(rng, p)
		mustWrite(t, b, p, e.Off)
		oldOrNew("a write", old)
		if a.Unmapper != nil {
			old = slices.Clone(p)
			require.NoError(t, a.Unmapper.Unmap(t.Context(), []backstore.Extent{e}))
			clear(p)
			oldOrNew("an unmap", old)
		}
		release()
	})
	t.Logf("%d ranges lent, %d not", lent, refused)
}
