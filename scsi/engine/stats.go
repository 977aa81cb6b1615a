package engine

import (
	"slices"
	"time"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/sgv"
)

// Stats describe an engine at one moment.
type Stats struct {
	Uptime      time.Duration
	Devices     int
	Targets     int
	Sessions    int
	Live        int    // commands in progress
	Commands    uint64 // commands that have ended, of the sessions that exist
	Errors      uint64 // those that did not end with GOOD
	BytesIn     uint64 // bytes that went to initiators
	BytesOut    uint64 // bytes that came from them
	MemoryUsed  int64  // bytes of data buffers in use
	MemoryLimit int64
	Pool        sgv.Stats
}

// Stats describes the engine.
func (e *Engine) Stats() Stats {
	s := Stats{Uptime: e.now(), MemoryUsed: e.limit.Used(), MemoryLimit: e.limit.Max(), Pool: e.pool.Stats(), Devices: len(e.Devices())}
	for _, t := range e.Targets() {
		s.Targets++
		for _, i := range t.Sessions() {
			s.Sessions++
			s.Live += i.Live
			s.Commands += i.Commands
			s.Errors += i.Errors
			s.BytesIn += i.BytesIn
			s.BytesOut += i.BytesOut
		}
	}
	return s
}

// CommandInfo describes a live command at one moment.
type CommandInfo struct {
	Target, Initiator string
	Session           uint64
	LUN               scsi.LUN
	Tag               uint64
	State             State
	Age               time.Duration // since Submit
	Attr              scsi.TaskAttr
	CDB               []byte
	Aborted           bool
}

// Commands lists every live command, the oldest first: what hangs, where, since when.
func (e *Engine) Commands() []CommandInfo {
	var out []CommandInfo
	for _, t := range e.Targets() {
		for _, s := range t.sessionList() {
			out = s.commandsOf(out)
		}
	}
	slices.SortStableFunc(out, func(a, b CommandInfo) int { return int(b.Age - a.Age) })
	return out
}

// commandsOf appends the session's live commands. While mu is held, no command that
// was submitted can be filled in anew.
func (s *Session) commandsOf(out []CommandInfo) []CommandInfo {
	now := s.t.e.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.all {
		st := State(t.state.Load())
		if st == StateFree || st == StateInit {
			continue
		}
		out = append(out, CommandInfo{
			Target: s.t.name, Initiator: s.in.Name, Session: s.id, LUN: t.LUN, Tag: t.Tag, State: st,
			Age: now - t.start, Attr: t.Attr, CDB: slices.Clone(t.CDB()), Aborted: t.flags.Load()&flagAborted != 0,
		})
	}
	return out
}
