package iscsi

import "time"

// Options are the limits and times of a Server. The zero value is ready for use: 0 is
// the default that a field names, a negative value switches off what can be switched off.
type Options struct {
	// Offer is what the server wants of sessions.
	Offer Offer

	// TargetAlias, if not nil, gives the alias that a target declares at login; at most
	// 255 bytes are sent.
	TargetAlias func(target string) string

	// MaxConnections bounds the connections of the server. 0: 8192; negative: no bound.
	// Further ones are closed at once.
	MaxConnections int
	// MaxAddressConnections bounds the connections from one remote address of the internet. 0 and
	// negative: no bound. Further ones are closed at once, counted in [Stats], and logged once a
	// minute for each address. Initiators behind one address, of a proxy or a translator, count
	// together.
	MaxAddressConnections int
	// MaxLogins bounds the connections that are not logged in. 0: 256; negative: no bound.
	// A further one takes the place of the oldest.
	MaxLogins int
	// MaxSessions bounds the sessions, discovery sessions included. 0 and negative: no
	// bound. A session that its initiator reinstates does not count twice.
	MaxSessions int

	// LoginTimeout is how long a login may take, the end of a session that it replaces
	// included. 0: 15 s; negative: no bound.
	LoginTimeout time.Duration
	// NopInterval is how long a connection may be silent before the server asks with a
	// NOP-In whether the initiator is there. 0: 30 s; negative: never.
	NopInterval time.Duration
	// NopTimeout is how long the initiator may take to send anything then. 0: 30 s.
	NopTimeout time.Duration
	// DataTimeout is how long a command may wait for its next Data-Out; then the
	// connection ends. 0: 90 s; negative: no bound.
	DataTimeout time.Duration
	// SendTimeout is how long the initiator may take to read half a megabyte of
	// answers. 0: 60 s; negative: no bound.
	SendTimeout time.Duration
	// KeepAlive is the interval of TCP keep-alive probes. 0: 45 s; negative: none.
	KeepAlive time.Duration

	// CongestionControl is the TCP congestion control of the server's connections, such as
	// "cubic", where the system lets one choose (Linux). "": the system's own choice, which
	// is also what a name leads to that it does not know.
	CongestionControl string

	// BusyPoll is how long a connection whose input has run dry looks for more, again and
	// again, before it sleeps until the system wakes it. 0 and negative: it sleeps at once;
	// more than 1 ms counts as 1 ms. A wake-up takes from some to some ten microseconds,
	// which an initiator waits for that sends one command at a time: 50 µs save most of
	// them. The price is a processor that is busy for that time after each command; an idle
	// connection costs nothing. Polling yields to every goroutine that can run; one that
	// waits for the network, of this server or of the program around it, may find out that
	// much later if all of GOMAXPROCS processors poll. It works on plain sockets on Linux,
	// and does nothing elsewhere.
	BusyPoll time.Duration
}

// withDefaults returns o with its defaults filled in, and 0 for what is switched off.
func (o Options) withDefaults() Options {
	number := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
		*v = max(*v, 0)
	}
	number(&o.MaxConnections, 8192)
	number(&o.MaxAddressConnections, 0)
	number(&o.MaxLogins, 256)
	number(&o.MaxSessions, 0)
	span := func(v *time.Duration, def time.Duration) {
		if *v == 0 {
			*v = def
		}
		*v = max(*v, 0)
	}
	span(&o.LoginTimeout, 15*time.Second)
	span(&o.NopInterval, 30*time.Second)
	span(&o.NopTimeout, 30*time.Second)
	span(&o.DataTimeout, 90*time.Second)
	span(&o.SendTimeout, 60*time.Second)
	span(&o.KeepAlive, 45*time.Second)
	o.BusyPoll = min(max(o.BusyPoll, 0), maxBusyPoll)
	if o.NopTimeout == 0 {
		o.NopInterval = 0
	}
	return o
}
