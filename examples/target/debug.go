package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/goscst/goscst/scsi"
	"github.com/goscst/goscst/scsi/disk"
	"github.com/goscst/goscst/scsi/engine"
)

// debugServer shows and moves what runs over HTTP.
type debugServer struct {
	p      *program
	addr   net.Addr
	server *http.Server
	served chan struct{}
}

// serveDebug listens on the address of -debug.
func serveDebug(p *program) (*debugServer, error) {
	l, err := net.Listen("tcp", p.debug)
	if err != nil {
		return nil, err
	}
	d := &debugServer{p: p, addr: l.Addr(), served: make(chan struct{})}
	d.server = &http.Server{Handler: d.mux(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(d.served)
		_ = d.server.Serve(l) // http.ErrServerClosed
	}()
	return d, nil
}

// close ends the server, until ctx is done in order.
func (d *debugServer) close(ctx context.Context) {
	if err := d.server.Shutdown(ctx); err != nil {
		_ = d.server.Close() // cuts off a profile that somebody is taking
	}
	<-d.served
}

func (d *debugServer) mux() *http.ServeMux {
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "GET  /commands /sessions /stats /debug/pprof/\n"+
			"POST /resize?lun=N&size=BYTES /eject?lun=N[&force=1] /insert?lun=N\n")
	})
	m.HandleFunc("GET /commands", func(w http.ResponseWriter, r *http.Request) { reply(w, d.commands()) })
	m.HandleFunc("GET /sessions", func(w http.ResponseWriter, r *http.Request) { reply(w, d.sessions()) })
	m.HandleFunc("GET /stats", func(w http.ResponseWriter, r *http.Request) {
		reply(w, map[string]any{"engine": d.p.engine.Stats(), "iscsi": d.p.server.Stats(), "gc": collections()})
	})
	m.HandleFunc("POST /resize", d.onLUN(func(r *http.Request, l *lun) error {
		size, err := parseSize(r.FormValue("size"))
		if err != nil {
			return &badRequest{err}
		}
		return l.resize(size)
	}))
	m.HandleFunc("POST /eject", d.onLUN(func(r *http.Request, l *lun) error {
		return l.eject(r.Context(), r.FormValue("force") == "1")
	}))
	m.HandleFunc("POST /insert", d.onLUN(func(r *http.Request, l *lun) error { return l.insert(r.Context()) }))
	m.HandleFunc("GET /debug/pprof/", pprof.Index)
	m.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	m.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	m.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return m
}

// gcStats tell what the garbage collector did since the start.
type gcStats struct {
	Collections int64
	Pauses      time.Duration // nanoseconds in which everything stood still, all together
}

func collections() gcStats {
	var s debug.GCStats
	debug.ReadGCStats(&s)
	return gcStats{s.NumGC, s.PauseTotal}
}

// badRequest is an error in the request itself.
type badRequest struct{ error }

// onLUN does something with the logical unit that a request names, within some seconds.
func (d *debugServer) onLUN(do func(*http.Request, *lun) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*polite)
		defer cancel()
		n, err := strconv.ParseUint(r.FormValue("lun"), 10, 16)
		if err != nil || n >= uint64(len(d.p.luns)) {
			http.Error(w, fmt.Sprintf("lun=%q: 0 to %d is allowed", r.FormValue("lun"), len(d.p.luns)-1), http.StatusBadRequest)
			return
		}
		l := d.p.luns[n]
		var bad *badRequest
		switch err := do(r.WithContext(ctx), l); {
		case err == nil:
			fmt.Fprintf(w, "LUN %d: %s\n", n, l.describe())
		case errors.As(err, &bad), errors.Is(err, errNoResize), errors.Is(err, disk.ErrNotRemovable):
			http.Error(w, fmt.Sprintf("LUN %d: %v", n, err), http.StatusBadRequest)
		default:
			http.Error(w, fmt.Sprintf("LUN %d: %v", n, err), http.StatusConflict)
		}
	}
}

// reply writes v for people and programs.
func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // the client has gone
}

// command is a live command.
type command struct {
	Initiator string
	Session   uint64
	LUN       string
	Tag       uint64
	State     string
	Age       string
	Attr      string
	Name      string
	CDB       string
	Aborted   bool `json:",omitempty"`
}

// commands lists the live commands, the oldest first.
func (d *debugServer) commands() []command {
	list := []command{}
	for _, c := range d.p.engine.Commands() {
		list = append(list, command{
			Initiator: c.Initiator, Session: c.Session, LUN: c.LUN.String(), Tag: c.Tag, State: c.State.String(),
			Age: c.Age.String(), Attr: c.Attr.String(), Name: scsi.Lookup(scsi.TypeDisk, c.CDB).Name,
			CDB: hex.EncodeToString(c.CDB), Aborted: c.Aborted,
		})
	}
	return list
}

// sessions lists the sessions of the engine and, with what was negotiated, of iSCSI.
func (d *debugServer) sessions() map[string]any {
	list := []engine.SessionInfo{}
	for _, t := range d.p.engine.Targets() {
		list = append(list, t.Sessions()...)
	}
	return map[string]any{"engine": list, "iscsi": d.p.server.Sessions()}
}
