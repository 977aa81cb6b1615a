package load

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// Config is a load. It travels to the process that makes it as JSON.
type Config struct {
	Addr   string // HOST:PORT
	Target string // iSCSI name
	LUN    uint8
	LUNs   int // as many logical units from LUN on, of one size, at random; 0: one

	// Initiator is part of the initiators' names: loads at the same time differ in it.
	Initiator string

	Conns  int  // connections, each a session
	Idle   int  // further sessions, which do nothing
	Depth  int  // commands in progress on each
	Block  int  // bytes of a command: a multiple of 512
	Random bool // random places in place of ascending ones
	Writes int  // percentage of writes

	// Duration is how long commands are sent, unless Count or Once bounds the load.
	Duration time.Duration
	Count    int  // commands of each connection; 0: no bound
	Once     bool // each place of the logical unit once, ascending

	// Verify makes each read be compared with what this load writes, at the cost of speed:
	// the logical unit was written with Verify, all of it.
	Verify bool

	// Alone is the option of the sockets: the process has called wire.Alone.
	Alone bool

	PID int // process whose CPU time is measured, from when it does nothing after the logins; 0: none

	// Window, if not 0, is the length of the spans of Duration whose commands Result.Windows has.
	Window time.Duration

	// Hang is how many reads of 4 KiB each connection sends to HangLUN before anything else. No
	// answer to them is allowed, and the connection ends without one.
	Hang    int
	HangLUN uint8
}

// Result is what a load came to.
type Result struct {
	Commands uint64
	Errors   uint64    // commands of these that failed
	Bytes    uint64    // of the commands that did not
	Began    time.Time // when the first command was sent: logins are over
	Elapsed  time.Duration
	CPU      time.Duration // of the process PID meanwhile
	P50      time.Duration // latency of a command
	P99      time.Duration
	P999     time.Duration
	Windows  []uint32 `json:",omitempty"` // commands that ended in each Config.Window
}

// MaxConns is the most that Config.Conns can be.
const MaxConns = 128

// calmLogin bounds how long the process may be busy with what logins have left to do.
const calmLogin = 2 * time.Second

// Limits of other fields of a Config.
const (
	maxDepth   = 4096
	maxBlock   = 1 << 20
	maxIdle    = 10000
	maxLUN     = 1<<14 - 1 // of flat space addressing (SAM-5 4.7.7.3)
	maxWindows = 1 << 20
)

// Check returns what is wrong with the configuration.
func (c *Config) Check() error {
	switch {
	case c.Conns < 1 || c.Conns > MaxConns:
		return fmt.Errorf("load: %d connections: 1 to %d are allowed", c.Conns, MaxConns)
	case c.Idle < 0 || c.Idle > maxIdle:
		return fmt.Errorf("load: %d idle sessions: 0 to %d are allowed", c.Idle, maxIdle)
	case c.LUNs < 0 || int(c.LUN)+c.LUNs > maxLUN+1:
		return fmt.Errorf("load: %d logical units from %d on: none is allowed beyond %d", c.LUNs, c.LUN, maxLUN)
	case c.Depth < 1 || c.Depth > maxDepth:
		return fmt.Errorf("load: depth %d: 1 to %d is allowed", c.Depth, maxDepth)
	case c.Block < 512 || c.Block > maxBlock || c.Block%512 != 0:
		return fmt.Errorf("load: commands of %d bytes: a multiple of 512 up to %d is allowed", c.Block, maxBlock)
	case c.Writes < 0 || c.Writes > 100:
		return fmt.Errorf("load: %d %% of writes: 0 to 100 are allowed", c.Writes)
	case c.Count < 0 || c.Count == 0 && !c.Once && c.Duration <= 0:
		return errors.New("load: a duration or a count is needed")
	case c.Window < 0 || c.Window > 0 && (c.Duration < c.Window || c.Duration/c.Window > maxWindows):
		return fmt.Errorf("load: windows of %v in %v: 1 to %d are allowed", c.Window, c.Duration, maxWindows)
	case c.Hang < 0 || c.Hang > maxDepth || c.Hang > 0 && c.HangLUN == c.LUN:
		return fmt.Errorf("load: %d commands that hang on LUN %d: 0 to %d on another LUN are allowed", c.Hang, c.HangLUN, maxDepth)
	}
	return nil
}

// Run makes the load. All connections log in before the first begins. An error of the
// target's, or the end of ctx, ends it.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	conns := make([]*conn, cfg.Conns+cfg.Idle)
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.close()
			}
		}
	}()
	for i := range conns {
		c, err := dial(ctx, &cfg, i)
		if err != nil {
			return nil, fmt.Errorf("connection %d: %w", i, err)
		}
		conns[i] = c
	}
	if cfg.PID != 0 {
		Calm(ctx, cfg.PID, calmLogin) // logins are work, too
	}
	cpu, err := CPUTime(cfg.PID)
	if err != nil {
		return nil, err
	}
	var wg sync.WaitGroup
	start := time.Now()
	for i, c := range conns[:cfg.Conns] {
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			if err := c.run(start); err != nil {
				cancel(fmt.Errorf("connection %d: %w", i, err)) // ends the others
			}
		})
	}
	wg.Wait()
	r := &Result{Began: start, Elapsed: time.Since(start)}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	end, err := CPUTime(cfg.PID)
	if err != nil {
		return nil, err
	}
	r.CPU = end - cpu
	r.sum(conns[:cfg.Conns], uint64(cfg.Block))
	return r, nil
}

// sum adds up what the connections counted.
func (r *Result) sum(conns []*conn, block uint64) {
	var h hist
	w := newWindows(conns[0].windows.every, conns[0].cfg.Duration)
	for _, c := range conns {
		h.merge(&c.latency)
		w.merge(&c.windows)
		r.Errors += c.errors
	}
	r.Commands, r.Windows = h.total, w.counts
	r.Bytes = (h.total - r.Errors) * block
	r.P50, r.P99, r.P999 = h.quantile(0.5), h.quantile(0.99), h.quantile(0.999)
}
