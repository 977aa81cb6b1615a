package load

import "time"

// windows counts the commands that end in each of consecutive spans of time.
type windows struct {
	every  time.Duration // 0: nothing is counted
	counts []uint32      // what ends behind the last of them is not counted
}

func newWindows(every, all time.Duration) windows {
	if every == 0 {
		return windows{}
	}
	return windows{every, make([]uint32, all/every)}
}

// add counts a command that ended at that time.
func (w *windows) add(at time.Duration) {
	if w.every == 0 {
		return
	}
	if i := int(at / w.every); i < len(w.counts) {
		w.counts[i]++
	}
}

// merge adds what other counted, in the same spans.
func (w *windows) merge(other *windows) {
	for i, n := range other.counts {
		w.counts[i] += n
	}
}
