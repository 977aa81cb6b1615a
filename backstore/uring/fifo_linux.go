package uring

import "github.com/goscst/goscst/backstore"

// keptWaiting is how long an empty fifo may be and keep its memory.
const keptWaiting = 1024

// fifo is a queue of operations. Its zero value is empty.
type fifo struct {
	buf  []backstore.Completion // a circle whose length is a power of two
	head int
	n    int
}

func (f *fifo) push(c backstore.Completion) {
	if f.n == len(f.buf) {
		buf := make([]backstore.Completion, max(16, 2*len(f.buf)))
		for i := range f.n {
			buf[i] = f.buf[(f.head+i)&(len(f.buf)-1)]
		}
		f.buf, f.head = buf, 0
	}
	f.buf[(f.head+f.n)&(len(f.buf)-1)] = c
	f.n++
}

func (f *fifo) pop() (c backstore.Completion, ok bool) {
	if f.n == 0 {
		return c, false
	}
	p := &f.buf[f.head]
	c, *p = *p, backstore.Completion{}
	f.head = (f.head + 1) & (len(f.buf) - 1)
	if f.n--; f.n == 0 && len(f.buf) > keptWaiting {
		f.buf, f.head = nil, 0
	}
	return c, true
}
