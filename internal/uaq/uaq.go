// Package uaq is the queue of unit attention conditions of one I_T_L nexus
// (SAM-5 5.14). It is pure; its owner guards it.
//
// The rules: a condition that is queued already is not queued again; a reset makes
// what came before it meaningless, but for the loss of the nexus, which is told first;
// conditions leave in the order of their arrival; one that could not be delivered goes
// back to the front.
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
	if ua.ASC() == 0x29 {
		// A reset clears the conditions before it (SAM-5 5.14), but not an earlier
		// power on or nexus loss that nobody has heard of: that covers it.
		for _, have := range q.q[:q.n] {
			if have.ASC() == 0x29 && covers(have, ua) {
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

// covers ranks the 29h family by how much it tells: power on tells
// more than a reset, and a reset more than the loss of the nexus.
func covers(have, ua scsi.Sense) bool { return rank(have) >= rank(ua) }

func rank(s scsi.Sense) int {
	switch s.ASCQ() {
	case 0x00, 0x01: // power on, or any of the family
		return 4
	case 0x02, 0x04: // target reset, internal reset
		return 3
	case 0x03: // logical unit reset
		return 2
	}
	return 1 // nexus loss
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
		if have.ASC() == 0x29 && ua.ASC() == 0x29 && covers(have, ua) {
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
