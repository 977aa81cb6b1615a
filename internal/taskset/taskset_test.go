package taskset_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/internal/taskset"
)

func Example() {
	var s taskset.Set[string]
	read := &taskset.Entry[string]{Task: "read"}
	flush := &taskset.Entry[string]{Task: "flush"}
	s.Add(read, taskset.Simple)
	s.Add(flush, taskset.Ordered)
	fmt.Println(s.Ask(read), s.Ask(flush))
	s.End(read)
	fmt.Println(s.Next().Task)
	// Output:
	// true false
	// flush
}

// model says by the words of SAM-5 8.6 whether task i may run, looking at all tasks.
type model struct {
	tasks  []*modelTask // live, oldest first
	frozen bool
}

type modelTask struct {
	e       *taskset.Entry[int]
	attr    taskset.Attr
	blocked bool
	running bool
}

func (m *model) mayRun(t *modelTask) bool {
	if t.attr == taskset.Bypass {
		return true
	}
	if m.frozen {
		return t.attr == taskset.ACA
	}
	older := true
	for _, o := range m.tasks {
		if o == t {
			older = false
			continue
		}
		switch t.attr {
		case taskset.Simple:
			if o.attr == taskset.HeadOfQueue || older && o.attr == taskset.Ordered {
				return false
			}
		case taskset.Ordered:
			if o.attr == taskset.HeadOfQueue || older {
				return false
			}
		}
	}
	return true
}

// FuzzSet plays operations on a Set and on the model: one byte chooses what happens.
func FuzzSet(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 10, 11, 12, 20, 21, 30})
	f.Add([]byte{1, 0, 11, 10, 20, 1, 11, 20, 20})
	f.Add([]byte{2, 0, 1, 10, 11, 12, 20, 20, 20})
	f.Add([]byte{0, 10, 40, 3, 13, 0, 14, 41, 20, 20, 20})
	f.Fuzz(func(t *testing.T, ops []byte) {
		var s taskset.Set[int]
		var m model
		n := 0
		for _, op := range ops {
			i := int(op) % 10
			switch op / 10 % 5 {
			case 0: // arrive
				mt := &modelTask{e: &taskset.Entry[int]{Task: n}, attr: taskset.Attr(i % 5)}
				n++
				s.Add(mt.e, mt.attr)
				m.tasks = append(m.tasks, mt)
			case 1: // ask to run
				if i < len(m.tasks) && !m.tasks[i].running && !m.tasks[i].blocked {
					mt := m.tasks[i]
					want := m.mayRun(mt)
					require.Equal(t, want, s.Ask(mt.e))
					mt.running, mt.blocked = want, !want
				}
			case 2: // end, blocked or not
				if i < len(m.tasks) {
					s.End(m.tasks[i].e)
					m.tasks = slices.Delete(m.tasks, i, i+1)
				}
			case 3: // take out of the queue
				if i < len(m.tasks) {
					require.Equal(t, m.tasks[i].blocked, s.Unblock(m.tasks[i].e))
					m.tasks[i].blocked = false
				}
			case 4:
				m.frozen = i%2 == 0
				s.Freeze(m.frozen)
			}
			// Whoever is released may run, and nobody who may is left.
			for e := s.Next(); e != nil; e = s.Next() {
				k := slices.IndexFunc(m.tasks, func(x *modelTask) bool { return x.e == e })
				require.GreaterOrEqual(t, k, 0, "an ended task is released")
				require.True(t, m.tasks[k].blocked, "a task is released twice")
				require.True(t, m.mayRun(m.tasks[k]))
				m.tasks[k].blocked, m.tasks[k].running = false, true
			}
			var live []int
			for e := range s.All {
				live = append(live, e.Task)
			}
			var want []int
			calm := !m.frozen
			for _, x := range m.tasks {
				want = append(want, x.e.Task)
				if x.blocked {
					require.False(t, m.mayRun(x), "task %d is forgotten", x.e.Task)
				}
				calm = calm && !x.blocked && x.attr != taskset.Ordered && x.attr != taskset.HeadOfQueue
			}
			require.Equal(t, want, live)
			require.Equal(t, len(want), s.Len())
			require.Equal(t, calm, s.Calm())
			require.Equal(t, m.frozen, s.Frozen())
		}
	})
}

func TestAddDoesNotAllocate(t *testing.T) {
	var s taskset.Set[int]
	var e taskset.Entry[int]
	require.Zero(t, testing.AllocsPerRun(100, func() {
		s.Add(&e, taskset.Simple)
		s.Ask(&e)
		s.End(&e)
		s.Next()
	}))
}
