package mem

import (
	"runtime"
	"testing"
)

// TestForgottenStore: a store that nobody closed gives its memory back when it is collected.
func TestForgottenStore(t *testing.T) {
	s := New(1 << 20)
	write(t, s, 0, 512, 1)
	a := s.pages.mapped
	gone := make(chan struct{})
	runtime.AddCleanup(s.pages, func(ch chan struct{}) { close(ch) }, gone)
	s = nil
	for done := false; !done; {
		runtime.GC()
		select {
		case <-gone:
			done = true
		default:
			runtime.Gosched()
		}
	}
	runtime.KeepAlive(a)
}
