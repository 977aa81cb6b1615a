package sgv_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/goscst/goscst/sgv"
	"github.com/stretchr/testify/require"
)

// Buffers are taken, written, handed to another goroutine, checked there and released, while the
// cache is flushed, purged and looked at. No buffer is seen by two owners.
func TestStress(t *testing.T) {
	for name, opts := range map[string]*sgv.Options{
		"roomy": {},
		"tight": {MaxCached: 256 << 10, PurgeInterval: time.Millisecond},
		"huge":  {MaxCached: 1 << 20, PurgeInterval: time.Millisecond, Allocator: sgv.HugePages(), Zero: true},
		"none":  {MaxCached: -1},
	} {
		t.Run(name, func(t *testing.T) {
			opts.Shards = 4
			p := newPool(t, opts)
			engine := sgv.NewLimit(8<<20, nil)
			stress(t, p, engine)
			require.Zero(t, engine.Used())
			require.Zero(t, p.Outstanding())
			st := p.Stats()
			require.LessOrEqual(t, st.IdleBytes, st.MaxCached)
		})
	}
}

func stress(t *testing.T, p *sgv.Pool, engine *sgv.Limit) {
	const workers, rounds = 4, 1000
	type item struct {
		b  *sgv.Buf
		id uint64
	}
	ch := make(chan item, 16)
	stop := make(chan struct{})
	var producers, consumers, disturbers sync.WaitGroup
	for w := range workers {
		producers.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 7))
			session := sgv.NewLimit(4<<20, engine)
			for i := range rounds {
				b, err := p.Get(8+rng.IntN(1<<(3+rng.IntN(17))), session)
				if err != nil {
					continue
				}
				id := uint64(w)<<32 | uint64(i)
				stamp(b, id)
				if rng.IntN(4) == 0 {
					b.Retain()
					ch <- item{b, id}
					if !stamped(b, id) {
						t.Error("changed under its retainer")
					}
					b.Release()
				} else {
					ch <- item{b, id}
				}
			}
		})
		consumers.Go(func() {
			for it := range ch {
				if !stamped(it.b, it.id) {
					t.Error("changed by somebody else")
				}
				it.b.Release()
			}
		})
	}
	disturbers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				p.Flush()
				_ = p.Stats()
				_ = p.Outstanding()
			}
		}
	})
	producers.Wait()
	close(ch)
	consumers.Wait()
	close(stop)
	disturbers.Wait()
}

// stamp writes id to both ends of b, which has at least 8 bytes.
func stamp(b *sgv.Buf, id uint64) {
	var v [8]byte
	binary.LittleEndian.PutUint64(v[:], id)
	_, _ = b.WriteAt(v[:], int64(b.Len()-8))
	_, _ = b.WriteAt(v[:], 0)
}

func stamped(b *sgv.Buf, id uint64) bool {
	var v [8]byte
	n, _ := b.ReadAt(v[:], 0)
	ok := n == 8 && binary.LittleEndian.Uint64(v[:]) == id
	if b.Len() < 16 {
		return ok // the ends overlap
	}
	n, _ = b.ReadAt(v[:], int64(b.Len()-8))
	return ok && n == 8 && binary.LittleEndian.Uint64(v[:]) == id
}

// Close while others use the pool: each Get succeeds or fails with ErrClosed, and nothing is lost.
func TestCloseRace(t *testing.T) {
	for range 50 {
		mem := &counter{}
		p := sgv.NewPool(&sgv.Options{Allocator: mem, PurgeInterval: time.Microsecond})
		var wg sync.WaitGroup
		start := make(chan struct{})
		for range 4 {
			wg.Go(func() {
				<-start
				for range 50 {
					b, err := p.Get(4096, nil)
					if err != nil {
						if !errors.Is(err, sgv.ErrClosed) {
							t.Error(err)
						}
						return
					}
					b.Release()
				}
			})
		}
		wg.Go(func() {
			<-start
			_ = p.Close() // buffers may be outstanding at this moment
		})
		close(start)
		wg.Wait()
		require.NoError(t, p.Close())
		require.Zero(t, mem.held())
	}
}

// Of many who release one reference too often, exactly one is the last and exactly one panics.
func TestDoubleReleaseRace(t *testing.T) {
	p := newPool(t, &sgv.Options{MaxCached: -1})
	for range 200 {
		b := get(t, p, 100)
		panics := make(chan bool, 2)
		for range 2 {
			go func() {
				defer func() { panics <- recover() != nil }()
				b.Release()
			}()
		}
		require.NotEqual(t, <-panics, <-panics)
		require.Zero(t, p.Outstanding())
	}
}
