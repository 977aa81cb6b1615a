package sgv_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/goscst/goscst/internal/leak"
	"github.com/goscst/goscst/sgv"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { leak.Main(m) }

// newPool returns a pool that must have got everything back when the test ends.
func newPool(t testing.TB, opts *sgv.Options) *sgv.Pool {
	t.Helper()
	p := sgv.NewPool(opts)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func get(t testing.TB, p *sgv.Pool, n int) *sgv.Buf {
	t.Helper()
	b, err := p.Get(n, nil)
	require.NoError(t, err)
	return b
}

// address tells where the memory of b begins, which says whether it was reused.
func address(b *sgv.Buf) *byte { return &b.Segs()[0][0] }

// counter is an Allocator that keeps books.
type counter struct {
	mu    sync.Mutex
	live  map[*byte]int
	bytes int
	calls int
	err   error         // returned by Alloc
	bad   func() []byte // makes Alloc misbehave
}

var errExhausted = errors.New("exhausted")

func (c *counter) Alloc(n, align int) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if c.err != nil {
		return nil, c.err
	}
	if c.bad != nil {
		return c.bad(), nil
	}
	seg, err := sgv.Heap().Alloc(n, align)
	if c.live == nil {
		c.live = make(map[*byte]int)
	}
	c.live[&seg[0]] = n
	c.bytes += n
	return seg, err
}

func (c *counter) Free(seg []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bad != nil {
		return
	}
	n, ok := c.live[&seg[0]]
	if !ok || n != len(seg) {
		panic("freed what was not allocated")
	}
	delete(c.live, &seg[0])
	c.bytes -= n
}

// held returns the bytes that are allocated and not freed.
func (c *counter) held() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

func (c *counter) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}
