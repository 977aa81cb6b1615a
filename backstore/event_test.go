package backstore_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
)

func TestBroadcaster(t *testing.T) {
	var b backstore.Broadcaster
	b.Send(backstore.Event{Kind: backstore.EventFault}) // nobody listens
	var got []string
	listen := func(name string) func() {
		return b.Notify(func(e backstore.Event) { got = append(got, name+" "+e.Kind.String()) })
	}
	stopA := listen("a")
	stopB := listen("b")
	b.Send(backstore.Event{Kind: backstore.EventCapacity})
	stopA()
	stopA()
	b.Send(backstore.Event{Kind: backstore.EventEjected})
	stopB()
	b.Send(backstore.Event{Kind: backstore.EventInserted})
	require.Equal(t, []string{"a capacity changed", "b capacity changed", "b medium ejected"}, got)
}

// TestBroadcasterFromCallback: a callback may stop itself and register others.
func TestBroadcasterFromCallback(t *testing.T) {
	var b backstore.Broadcaster
	calls := 0
	var stop func()
	stop = b.Notify(func(backstore.Event) {
		calls++
		stop()
		b.Notify(func(backstore.Event) { calls += 10 })
	})
	b.Send(backstore.Event{})
	require.Equal(t, 1, calls)
	b.Send(backstore.Event{})
	require.Equal(t, 11, calls)
}

func TestBroadcasterConcurrent(t *testing.T) {
	var b backstore.Broadcaster
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				stop := b.Notify(func(backstore.Event) {})
				b.Send(backstore.Event{Kind: backstore.EventHealthy})
				stop()
			}
		})
	}
	wg.Wait()
	b.Notify(func(e backstore.Event) { require.Equal(t, backstore.EventChanged, e.Kind) })
	b.Send(backstore.Event{Kind: backstore.EventChanged})
}

func TestNames(t *testing.T) {
	for k := range backstore.EventHealthy + 1 {
		require.Equal(t, k == 0, k.String() == "unknown")
	}
	require.Equal(t, "mapped deallocated anchored unknown",
		backstore.Mapped.String()+" "+backstore.Deallocated.String()+" "+backstore.Anchored.String()+" "+backstore.MapState(9).String())
	require.Equal(t, "backstore: miscompare at byte 7", (&backstore.MiscompareError{Offset: 7}).Error())
	err := &backstore.OffsetError{Offset: 512, Err: backstore.ErrNoSpace}
	require.ErrorIs(t, err, backstore.ErrNoSpace)
	require.Equal(t, "backstore: at byte 512: backstore: no space left", err.Error())
}
