package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/goscst/goscst/fabric/iscsi"
	"github.com/goscst/goscst/scsi/engine"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	logger, err := newLogger()
	if err == nil {
		err = run(ctx, os.Args[1:], os.Stdout, logger)
	}
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "target:", err)
		os.Exit(1)
	}
}

// newLogger logs what an operator must know to the standard error output.
func newLogger() (*zap.Logger, error) {
	c := zap.NewProductionConfig()
	c.Level = zap.NewAtomicLevelAt(zap.WarnLevel)
	c.Encoding = "console"
	return c.Build()
}

// polite is how long initiators may take to log out at the end, and commands to end.
const polite = 5 * time.Second

// run serves until ctx is done.
func run(ctx context.Context, args []string, out io.Writer, logger *zap.Logger) error {
	c, err := parseFlags(args, out)
	if err != nil {
		return err
	}
	p, err := start(c, logger)
	if err != nil {
		return err
	}
	p.announce(out)
	<-ctx.Done()
	fmt.Fprintln(out, "ending")
	return p.end()
}

// program is what runs.
type program struct {
	*config
	engine *engine.Engine
	server *iscsi.Server
	addr   net.Addr // where iSCSI is served
	luns   []*lun
	http   *debugServer // nil: none
}

// start builds everything and serves.
func start(c *config, logger *zap.Logger) (*program, error) {
	p := &program{config: c}
	p.engine = engine.New(&engine.Options{Logger: logger, SetupID: setupID(c.iqn)})
	p.server = &iscsi.Server{Engine: p.engine, Logger: logger, Options: iscsi.Options{BusyPoll: c.poll}}
	if err := p.build(); err != nil {
		return nil, errors.Join(err, p.end())
	}
	return p, nil
}

// setupID makes the identifiers of disks differ between targets.
func setupID(iqn string) uint16 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(iqn)) // never fails
	return uint16(h.Sum32() ^ h.Sum32()>>16)
}

// build adds devices and the target, which is enabled last, and listens.
func (p *program) build() error {
	t, err := p.engine.AddTarget(p.iqn, nil)
	if err != nil {
		return err
	}
	for i, s := range p.config.luns {
		l, err := addLUN(p.engine, t, i, s)
		if err != nil {
			return fmt.Errorf("-lun %q: %w", s.text, err)
		}
		p.luns = append(p.luns, l)
	}
	if p.debug != "" {
		if p.http, err = serveDebug(p); err != nil {
			return fmt.Errorf("-debug %q: %w", p.debug, err)
		}
	}
	t.Enable()
	if p.addr, err = p.server.Listen(p.listen); err != nil {
		return fmt.Errorf("-listen %q: %w", p.listen, err)
	}
	return nil
}

// end ends everything in order and in bounded time. Initiators that do not log out are
// cut off; a command that does not end is an error.
func (p *program) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), polite)
	defer cancel()
	var errs []error
	if err := p.server.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		errs = append(errs, err)
	}
	last, stop := context.WithTimeout(context.Background(), polite)
	defer stop()
	errs = append(errs, p.engine.Shutdown(last))
	if p.http != nil {
		p.http.close(last)
	}
	for _, l := range p.luns {
		errs = append(errs, l.close())
	}
	return errors.Join(errs...)
}

// announce tells what is served and how to reach it.
func (p *program) announce(out io.Writer) {
	portal := reachable(p.addr)
	fmt.Fprintf(out, "serving %s at %s\n", p.iqn, p.addr)
	for _, l := range p.luns {
		fmt.Fprintf(out, "  LUN %d: %s\n", l.number, l.describe())
	}
	fmt.Fprintf(out, "\nreach it with\n")
	for _, line := range []string{
		fmt.Sprintf("iscsi-ls -s iscsi://%s/", portal),
		fmt.Sprintf("qemu-img info iscsi://%s/%s/0", portal, p.iqn),
		fmt.Sprintf("qemu-system-x86_64 -drive file=iscsi://%s/%s/0,format=raw", portal, p.iqn),
		fmt.Sprintf("iscsiadm -m discovery -t sendtargets -p %s", portal),
		fmt.Sprintf("iscsiadm -m node -T %s -p %s --login", p.iqn, portal),
	} {
		fmt.Fprintf(out, "  %s\n", line)
	}
	if p.http != nil {
		fmt.Fprintf(out, "\ndebug server: http://%s/\n", reachable(p.http.addr))
	}
}

// reachable is an address that a program on this machine can use.
func reachable(a net.Addr) string {
	t, ok := a.(*net.TCPAddr)
	if !ok || !t.IP.IsUnspecified() {
		return a.String()
	}
	host := "127.0.0.1"
	if t.IP.To4() == nil {
		host = "::1"
	}
	return net.JoinHostPort(host, fmt.Sprint(t.Port))
}
