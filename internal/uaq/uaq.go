// Package uaq is the queue of unit attention conditions of one I_T_L nexus
// (SAM-5 5.14). It is pure; its owner guards it.
//
// The rules: a condition that is queued already is not queued again; a reset, or the loss
// of the nexus, makes what came before it meaningless, unless that is one of these too
// and tells as much or more; conditions leave in the order of their arrival; one that
// could not be delivered goes back to the front.
package uaq

import "github.com/goscst/goscst/scsi"

// Max bounds the queue. The conditions that are in use are far fewer; beyond it, the
// oldest one makes room.
const Max = 16

// Queue is a queue of unit attentions. The zero value is empty.
type Queue struct {
	q [Max]scsi.Sense
	n int
}

// Len is the number of queued conditions.
func (q *Queue) Len() int { return q.n }

// Add queues ua.
func (q *Queue) Add(ua scsi.Sense) {
	for _, have := range q.q[:q.n] {
		if have == ua {
			return
		}
	}
	if rank(ua) > 0 {
		// A reset clears the conditions before it (SAM-5 5.14), but not an earlier
		// power on or nexus loss that nobody has heard of: that covers it.
		for _, have := range q.q[:q.n] {
			if covers(have, ua) {
				return
			}
		}
		q.n = 0
	}
	if q.n == Max {
		copy(q.q[:], q.q[1:])
		q.n--
	}
	q.q[q.n] = ua
	q.n++
}

// Cleared reports whether ua tells that another initiator, or the device, has cleared commands.
func Cleared(ua scsi.Sense) bool { return ua.ASC() == 0x2F }

// Loss reports whether ua tells, by itself or as part of a reset, that commands are gone.
func Loss(ua scsi.Sense) bool { return Cleared(ua) || rank(ua) > 0 }

// TakeLosses takes the conditions out of the queue that tell of a loss, in their order.
func (q *Queue) TakeLosses() []scsi.Sense {
	var out []scsi.Sense
	keep := 0
	for _, ua := range q.q[:q.n] {
		if Loss(ua) {
			out = append(out, ua)
		} else {
			q.q[keep] = ua
			keep++
		}
	}
	q.n = keep
	return out
}

// covers tells that an initiator which hears of have need not hear of ua.
func covers(have, ua scsi.Sense) bool { return rank(have) >= rank(ua) }

// rank orders the conditions of the 29h family by how much they tell: power on more than
// a reset, and a reset more than the loss of the nexus. It is 0 for all others, among them
// changes of a transceiver's mode, which are of the family by number only.
func rank(s scsi.Sense) int {
	if s.ASC() != 0x29 {
		return 0
	}
	switch s.ASCQ() {
	case 0x00, 0x01: // power on, or any of the family
		return 4
	case 0x02, 0x04: // bus reset, internal reset
		return 3
	case 0x03: // logical unit reset
		return 2
	case 0x07: // nexus loss
		return 1
	}
	return 0
}

// Next takes the first condition out of the queue; 0 if there is none.
func (q *Queue) Next() scsi.Sense {
	if q.n == 0 {
		return 0
	}
	ua := q.q[0]
	copy(q.q[:], q.q[1:q.n])
	q.n--
	return ua
}

// Peek is the first condition; 0 if there is none.
func (q *Queue) Peek() scsi.Sense {
	if q.n == 0 {
		return 0
	}
	return q.q[0]
}

// Restore puts a condition that was not delivered back to the front.
func (q *Queue) Restore(ua scsi.Sense) {
	q.Remove(ua)
	for _, have := range q.q[:q.n] {
		if rank(ua) > 0 && covers(have, ua) {
			return
		}
	}
	if q.n == Max {
		q.n--
	}
	copy(q.q[1:], q.q[:q.n])
	q.q[0] = ua
	q.n++
}

// Remove drops ua if it is queued.
func (q *Queue) Remove(ua scsi.Sense) {
	for i, have := range q.q[:q.n] {
		if have == ua {
			copy(q.q[i:], q.q[i+1:q.n])
			q.n--
			return
		}
	}
}
