package task

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

var _ context.Context = (*Context)(nil)

func TestContextZero(t *testing.T) {
	var c Context
	require.NoError(t, c.Err())
	require.Nil(t, c.Value("key"))
	_, ok := c.Deadline()
	require.False(t, ok)
	select {
	case <-c.Done():
		t.Fatal("cancelled")
	default:
	}
}

func TestContextCancel(t *testing.T) {
	for name, before := range map[string]func(c *Context){
		"nobody waits":  func(*Context) {},
		"somebody does": func(c *Context) { c.Done() },
	} {
		t.Run(name, func(t *testing.T) {
			s := new(State)
			c := s.Context()
			before(c)
			s.Cancel(context.Canceled)
			s.Cancel(errTest) // the first cause stays
			<-c.Done()
			<-c.Done()
			require.Equal(t, context.Canceled, c.Err())
			require.Same(t, c, s.Context())
		})
	}
}

// TestContextDerived: a context made from it by the standard library is cancelled with it.
func TestContextDerived(t *testing.T) {
	s := new(State)
	ctx, stop := context.WithCancel(s.Context())
	defer stop()
	called := make(chan struct{})
	context.AfterFunc(s.Context(), func() { close(called) })
	require.NoError(t, ctx.Err())
	s.Cancel(context.Canceled)
	<-ctx.Done()
	<-called
	require.ErrorIs(t, ctx.Err(), context.Canceled)
}

// TestContextReuse: a context that nobody waited on serves the next command, another one
// never does.
func TestContextReuse(t *testing.T) {
	s := new(State)
	first := s.Context()
	s.Recycle()
	require.Same(t, first, s.Context())

	waits := first.Done()
	s.Recycle()
	second := s.Context()
	require.NotSame(t, first, second)
	<-waits // who waited for the command that is over is let go
	require.Equal(t, context.Canceled, first.Err())
	require.NoError(t, second.Err(), "the next command is not concerned")

	s.Cancel(errTest)
	s.Recycle()
	third := s.Context()
	require.NotSame(t, second, third)
	require.NoError(t, third.Err())
	require.Equal(t, errTest, second.Err(), "the first cause stays")
}

// TestContextRace lets waiters, polls and cancellations meet.
func TestContextRace(t *testing.T) {
	causes := []error{errors.New("a"), errors.New("b")}
	for range 500 {
		s := new(State)
		s.Prepare()
		var wg sync.WaitGroup
		for _, cause := range causes {
			wg.Go(func() { s.Cancel(cause) })
		}
		wg.Go(func() {
			<-s.Context().Done()
			if s.Context().Err() == nil {
				t.Error("done without a cause")
			}
		})
		wg.Go(func() {
			for s.Context().Err() == nil {
				<-s.Context().Done()
			}
		})
		wg.Wait()
	}
}

func TestContextIsFree(t *testing.T) {
	s := new(State)
	s.Prepare()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if c := s.Context(); c.Err() != nil {
			panic("cancelled")
		}
		s.Recycle()
	}))
}
