package iscsi

import (
	"encoding/binary"
	"time"

	"github.com/goscst/goscst/fabric"
	"github.com/goscst/goscst/fabric/iscsi/internal/pdu"
	"github.com/goscst/goscst/scsi"
)

// maxEvents is how many PDUs of the rarer kinds may be queued when an event is added.
const maxEvents = 64

// Event implements fabric.Eventer: it sends an asynchronous event as sense data
// (RFC 7143 11.9).
func (s *session) Event(e fabric.Event) error {
	c := s.conn
	c.txq.mu.Lock()
	dead, queued := c.txq.dead, c.txq.others
	c.txq.mu.Unlock()
	switch {
	case dead:
		return errConnClosed
	case queued >= maxEvents:
		return errSlowReader
	}
	data := scsi.AppendSense(make([]byte, 2, 2+18), &scsi.SenseError{Sense: e.Sense}, false)
	binary.BigEndian.PutUint16(data, uint16(len(data)-2))
	p := &outPDU{data: data}
	p.hdr.InitAsync(pdu.AsyncSCSI).SetLUN(uint64(e.LUN))
	c.send(p)
	return nil
}

// dropGrace is how long the notice that a connection is dropped may take to be sent.
const dropGrace = time.Second

// drop ends the connection for a reason of the target's own, and tells the initiator, so
// that it need not find out by a time-out. It does not block.
func (c *conn) drop(reason error) {
	c.mu.Lock()
	over, leaving := c.err != nil || c.dropping, c.leaving
	c.dropping = true
	c.mu.Unlock()
	switch {
	case over:
		return
	case leaving: // it knows
		c.fail(reason)
		return
	}
	// Nothing of the session is kept, so there is nothing to wait for.
	p := &outPDU{last: true}
	p.hdr.InitAsync(pdu.AsyncDropSession)
	late := time.AfterFunc(dropGrace, func() { c.fail(reason) })
	p.sent = func(error) {
		late.Stop()
		c.fail(reason)
	}
	c.send(p)
}

// sessionOver ends the connection of a session that the engine has ended, unless it waits
// for that to answer a logout.
func (c *conn) sessionOver(reason error) {
	c.mu.Lock()
	leaving := c.leaving
	c.mu.Unlock()
	if !leaving {
		c.drop(reason)
	}
}
