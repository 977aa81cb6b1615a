package osfile

// Calls are the calls under way that the system may tell of a loss, in the order in which they
// began. The zero value has none. The caller keeps others out.
//
// The system tells an error of write-back once to everybody who has opened the file, and then that
// all is well: in file_check_and_advance_wb_err of Linux, which ends an fdatasync and a durable
// write alike, whatever range was written. All durable writes of a store are one of those who have
// opened it. Its flushes are another one, or the same where File.OpenApart has failed; then they are
// calls as well. So of two calls A and B, whose data is lost while both are under way, B may be told,
// and A succeed; and between the moment when the system tells B, deep within the call, and the
// moment when B has noted it in [Loss], A finds no loss there either.
//
// That window is closed by an order: a call that fails notes the loss before it ends, and one that
// succeeded looks for a loss when all have ended that had begun before it came back. For if A was
// not told of the loss of its data, some B was told before A was, so B began before A came back,
// and A waits for what B notes. What begins later was told later and took nothing away from A.
// Nobody waits for somebody who waits, because a call ends before it waits: a call takes the time of
// the longest that it meets in addition at most. Ordinary writes are told nothing, and have no part in it.
type Calls struct {
	first, last *Call
	begun       uint64
	free        *Call
}

// Call is one of Calls.
type Call struct {
	n          uint64 // 1 is the first
	prev, next *Call
}

// Begin begins a call.
func (c *Calls) Begin() *Call {
	k := c.free
	if k == nil {
		k = &Call{}
	} else {
		c.free = k.next
	}
	c.begun++
	*k = Call{n: c.begun, prev: c.last}
	if k.prev == nil {
		c.first = k
	} else {
		k.prev.next = k
	}
	c.last = k
	return k
}

// End ends a call, which has noted what it was told, and returns how many have begun. k is not used
// any more.
func (c *Calls) End(k *Call) (begun uint64) {
	if k.prev == nil {
		c.first = k.next
	} else {
		k.prev.next = k.next
	}
	if k.next == nil {
		c.last = k.prev
	} else {
		k.next.prev = k.prev
	}
	k.next, c.free = c.free, k
	return c.begun
}

// Over reports whether none of the first n calls is under way.
func (c *Calls) Over(n uint64) bool { return c.first == nil || c.first.n > n }
