//go:build scsidebug

package sgv

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync"
)

// debug turns on the checks of this file: released memory is poisoned and looked at again before
// it is handed out, a released Buf is never used a second time (its memory gets a new one, so that
// every stale use is found), and the pool knows where each buffer was taken and released.
const debug = true

const (
	poisonByte = 0xDB
	maxFrames  = 24
	maxLeaks   = 8 // stacks shown by Close
)

var poison = bytes.Repeat([]byte{poisonByte}, 4096)

// debugBuf is the part of a Buf that exists in debug builds.
type debugBuf struct {
	mu       sync.Mutex
	dead     bool      // guarded by mu
	got      []uintptr // guarded by mu; stack of Get
	released []uintptr // guarded by mu; stack of the last Release
	previous []uintptr // guarded by mu; stack of the Release before this life
	heads    [][]byte  // copy of segs
}

// debugPool is the part of a Pool that exists in debug builds.
type debugPool struct {
	mu   sync.Mutex
	live map[*Buf]struct{}
}

// debugBirth checks that nobody wrote to memory that is reused, poisons new memory, and registers b.
func (b *Buf) debugBirth(used bool) {
	d := &b.dbg
	if b.class != wrapClass {
		for i, seg := range b.hdr {
			if i == b.trim {
				seg = b.whole
			}
			if used {
				b.checkPoison(i, seg)
			} else {
				fillPoison(seg)
			}
		}
	}
	d.mu.Lock()
	d.got = callers()
	d.heads = append(d.heads[:0], b.segs...)
	d.mu.Unlock()
	p := &b.home.pool.dbg
	p.mu.Lock()
	if p.live == nil {
		p.live = make(map[*Buf]struct{})
	}
	p.live[b] = struct{}{}
	p.mu.Unlock()
}

// debugDeath checks the same when the memory is given up.
func (b *Buf) debugDeath() {
	if b.dbg.previous == nil {
		return // never used
	}
	for i, seg := range b.hdr {
		b.checkPoison(i, seg)
	}
}

// debugBury marks b as released for good and returns a new Buf that takes over its memory.
func (b *Buf) debugBury() *Buf {
	d := &b.dbg
	p := &b.home.pool.dbg
	p.mu.Lock()
	delete(p.live, b)
	p.mu.Unlock()
	for i, seg := range b.segs {
		if len(d.heads) != len(b.segs) || len(d.heads[i]) != len(seg) || &d.heads[i][0] != &seg[0] {
			panic(fmt.Sprintf("sgv: header %d of Segs was modified%s", i, trace("taken", d.got)))
		}
	}
	c := &Buf{
		stamp: b.stamp, n: -1, home: b.home, lim: b.lim, size: b.size,
		trim: -1, shift: b.shift, class: b.class, release: b.release,
	}
	if b.trim >= 0 {
		b.hdr[b.trim] = b.whole
	}
	c.hdr = append(c.one[:0], b.hdr...)
	c.dbg.previous = callers()
	if b.class != wrapClass {
		for _, seg := range c.hdr {
			fillPoison(seg)
		}
	}
	d.mu.Lock()
	d.dead, d.released = true, c.dbg.previous
	d.mu.Unlock()
	b.hdr, b.segs, b.one, b.whole, b.release, b.lim = nil, nil, [1][]byte{}, nil, nil, nil
	return c
}

// debugCheck panics if b was released.
func (b *Buf) debugCheck() {
	b.dbg.mu.Lock()
	dead := b.dbg.dead
	b.dbg.mu.Unlock()
	if dead {
		b.misuse("use")
	}
}

// debugStory says where b was taken and released.
func (b *Buf) debugStory() string {
	b.dbg.mu.Lock()
	defer b.dbg.mu.Unlock()
	return trace("taken", b.dbg.got) + trace("released", b.dbg.released)
}

// debugLeaks says where buffers that are outstanding were taken.
func (p *Pool) debugLeaks() string {
	p.dbg.mu.Lock()
	defer p.dbg.mu.Unlock()
	var s strings.Builder
	shown := 0
	for b := range p.dbg.live {
		if shown++; shown > maxLeaks {
			break
		}
		b.dbg.mu.Lock()
		s.WriteString(trace("taken", b.dbg.got))
		b.dbg.mu.Unlock()
	}
	return s.String()
}

func fillPoison(seg []byte) {
	for len(seg) > 0 {
		seg = seg[copy(seg, poison):]
	}
}

// checkPoison panics if seg, segment i, does not hold what fillPoison left there.
func (b *Buf) checkPoison(i int, seg []byte) {
	for off := 0; off < len(seg); {
		n := min(len(seg)-off, len(poison))
		if !bytes.Equal(seg[off:off+n], poison[:n]) {
			for seg[off] == poisonByte {
				off++
			}
			panic(fmt.Sprintf("sgv: byte %d of segment %d was written after release%s",
				off, i, trace("released", b.dbg.previous)))
		}
		off += n
	}
}

func callers() []uintptr {
	var pc [maxFrames]uintptr
	return append([]uintptr(nil), pc[:runtime.Callers(3, pc[:])]...)
}

func trace(what string, pc []uintptr) string {
	if len(pc) == 0 {
		return ""
	}
	var s strings.Builder
	fmt.Fprintf(&s, "\n%s at:", what)
	frames := runtime.CallersFrames(pc)
	for {
		f, more := frames.Next()
		fmt.Fprintf(&s, "\n\t%s\n\t\t%s:%d", f.Function, f.File, f.Line)
		if !more {
			return s.String()
		}
	}
}
