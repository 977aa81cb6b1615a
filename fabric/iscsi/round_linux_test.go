package iscsi

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/leak"
)

// TestRoundAsksTheSystem: a goroutine that waits for the system finds out what has come although
// another one is never out of work on the only processor, as long as that one waits for rounds.
func TestRoundAsksTheSystem(t *testing.T) {
	leak.Goroutines(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	in, out, err := os.Pipe() // what is written to it is there at once
	require.NoError(t, err)
	defer in.Close()
	defer out.Close()
	var r netRound
	defer r.close()
	woken := make(chan struct{}, 1)
	require.True(t, r.wait(woken))

	var got atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b := make([]byte, 1); ; got.Add(1) {
			if _, err := in.Read(b); err != nil {
				return
			}
		}
	}()
	for i := range int32(100) {
		_, err := out.Write([]byte{1})
		require.NoError(t, err)
		for range 3 { // one finds it; what comes first in it may run after this goroutine
			require.True(t, r.wait(woken))
		}
		require.Equal(t, i+1, got.Load(), "nobody has told the reader")
	}
	require.NoError(t, in.Close())
	<-done
}

// TestRoundEnds: who waits is let go when there are no rounds any more, and all come back that
// wait at once.
func TestRoundEnds(t *testing.T) {
	leak.Goroutines(t)
	var unused netRound
	unused.close()
	require.False(t, unused.wait(make(chan struct{}, 1)))

	var r netRound
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			woken := make(chan struct{}, 1)
			for range 500 {
				if !r.wait(woken) {
					t.Error("there are no rounds")
					return
				}
			}
		})
	}
	wg.Wait()
	var refused atomic.Int32
	for range 8 {
		wg.Go(func() {
			woken := make(chan struct{}, 1)
			for r.wait(woken) {
			}
			refused.Add(1)
		})
	}
	r.close()
	wg.Wait()
	require.EqualValues(t, 8, refused.Load())
	r.close()
}
