package engine

import (
	"cmp"
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
	Live        int       // commands in progress
	Traffic               // since the engine was made
	MemoryUsed  int64     // bytes of data buffers in use, and of what else is charged to MemoryLimit
	MemoryLimit int64     // bytes; 0: no limit
	Pool        sgv.Stats // of the engine's pool; devices may have others
}

// Stats describes the engine.
func (e *Engine) Stats() Stats {
	s := Stats{Uptime: e.now(), MemoryUsed: e.limit.Used(), MemoryLimit: e.limit.Max(), Pool: e.pool.Stats(), Devices: len(e.Devices())}
	e.mu.Lock() // so that what a session has counted is in it or in past
	defer e.mu.Unlock()
	s.Traffic = e.past
	for _, t := range e.targets {
		s.Targets++
		for _, x := range t.sessionList() {
			s.Sessions++
			i := x.Info()
			s.Live += i.Live
			s.Traffic.add(&i.Traffic)
		}
	}
	return s
}

// DeviceStats describe a device at one moment.
type DeviceStats struct {
	Offline    bool          // the handler has panicked
	Blocked    bool          // by Block, or by a reset in progress
	Mapped     int           // LUNs of groups at which it is mapped
	Nexuses    int           // initiators that see it, each counted once for each LUN
	QueueDepth int           // commands of one of them at once
	Live       int           // commands in the task set
	Waiting    int           // those of them that wait for a worker
	Oldest     time.Duration // age of the one that came first
	Traffic                  // since the device was added
	Latency    Latency
}

// Stats describes the device.
func (d *Device) Stats() DeviceStats {
	s := DeviceStats{Offline: d.offline.Load(), QueueDepth: int(d.depth.Load()), Waiting: d.lane.Len()}
	now := d.e.now()
	d.eachSet(func(set *taskSet) {
		set.mu.Lock()
		defer set.mu.Unlock()
		s.Live += set.m.Len()
		for e := range set.m.All {
			s.Oldest = max(s.Oldest, now-e.Task.start)
			break
		}
	})
	d.mu.Lock()
	defer d.mu.Unlock()
	s.Blocked, s.Mapped = d.blocks > 0, d.mapped
	s.Traffic = d.past
	s.Latency.merge(d.pastLatency)
	for n := range d.nexuses.all {
		s.Nexuses++
		n.count(&s.Traffic, &s.Latency)
	}
	return s
}

// CommandInfo describes a live command at one moment.
type CommandInfo struct {
	Target, Initiator string        // their names
	Session           uint64        // see SessionInfo
	LUN               scsi.LUN      // as the initiator gave it
	Device            string        // the name of the device that is mapped there now; "" for none
	Tag               uint64        // the transport's, such as iSCSI's Initiator Task Tag
	State             State         // where it is, or what it waits for
	Age               time.Duration // since Submit
	Attr              scsi.TaskAttr
	CDB               []byte // with what the transport added to fill it up
	Name              string // of the command, as in the standards
	Aborted           bool   // a task management function or the end of its session ended it
}

// Commands lists every live command, the oldest first: what hangs, where, since when.
func (e *Engine) Commands() []CommandInfo {
	var out []CommandInfo
	for _, t := range e.Targets() {
		for _, s := range t.sessionList() {
			out = s.commandsOf(out)
		}
	}
	slices.SortStableFunc(out, func(a, b CommandInfo) int { return cmp.Compare(b.Age, a.Age) })
	return out
}

// commandsOf appends the session's live commands. While mu is held, no command that
// was submitted can be filled in anew.
func (s *Session) commandsOf(out []CommandInfo) []CommandInfo {
	now := s.t.e.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.all {
		st := t.status.state()
		if st == StateFree || st == StateSent {
			continue
		}
		i := CommandInfo{
			Target: s.t.name, Initiator: s.in.Name, Session: s.id, LUN: t.LUN, Tag: t.Tag, State: st,
			Age: now - t.start, Attr: t.Attr, CDB: slices.Clone(t.CDB()), Aborted: t.aborted(),
		}
		kind := scsi.TypeNone
		if n := s.at(t.LUN); n != nil {
			i.Device, kind = n.d.name, n.d.desc.Type
		}
		i.Name = scsi.Lookup(kind, i.CDB).Name
		out = append(out, i)
	}
	return out
}
