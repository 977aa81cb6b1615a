package vm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// HostAddr is the address by which the guest reaches 127.0.0.1 of the host.
const HostAddr = "10.0.2.2"

const (
	memory    = "512M" // of the guest; its root file system is in it
	maxOutput = 16 << 20
)

// Machine is a running guest. Its methods are not for concurrent use, Close apart.
type Machine struct {
	cmd     *exec.Cmd
	console string // file with what the kernel printed
	dir     string // holds the socket and the console
	conn    net.Conn
	in      *bufio.Reader
	exited  chan struct{} // closed when the emulator has ended

	closing sync.Once
}

// ScriptError is a script that ended with a status other than zero.
type ScriptError struct {
	Status int
	Output string
}

// Error returns the status and what the script printed.
func (e *ScriptError) Error() string {
	return fmt.Sprintf("vm: script ended with status %d:\n%s", e.Status, e.Output)
}

// Boot starts a guest by the emulator qemu, the path of qemu-system-x86_64, and waits until it
// takes scripts. When ctx ends first, or the guest does, the error has the end of the console.
// Close must be called on the machine. If this process dies, the emulator does.
func Boot(ctx context.Context, qemu string, img *Image) (*Machine, error) {
	dir, err := os.MkdirTemp("", "goscst-vm-")
	if err != nil {
		return nil, fmt.Errorf("vm: %w", err)
	}
	m := &Machine{dir: dir, console: filepath.Join(dir, "console"), exited: make(chan struct{})}
	socket := filepath.Join(dir, "port")
	l, err := net.Listen("unix", socket)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("vm: %w", err), os.RemoveAll(dir))
	}
	defer l.Close()
	errs, err := os.Create(filepath.Join(dir, "stderr"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("vm: %w", err), os.RemoveAll(dir))
	}
	defer errs.Close()
	m.cmd = exec.Command(qemu,
		"-machine", "q35", "-accel", "tcg", "-cpu", "max", "-m", memory,
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-kernel", img.Kernel, "-initrd", img.Initrd,
		"-append", "console=ttyS0 loglevel=4 panic=-1 random.trust_cpu=on",
		"-serial", "file:"+m.console,
		"-device", "virtio-serial-pci", "-chardev", "socket,id=port,path="+socket,
		"-device", "virtserialport,chardev=port,name=goscst",
		"-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile=",
	)
	m.cmd.Stdout, m.cmd.Stderr = errs, errs
	dieWithParent(m.cmd)
	if err := m.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("vm: %w", err), os.RemoveAll(dir))
	}
	go func() {
		_ = m.cmd.Wait() // how it ended shows in its output
		close(m.exited)
		l.Close() // ends Accept below
	}()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	conn, err := l.Accept()
	if err != nil {
		err = fmt.Errorf("vm: the guest does not come up: %w\n%s", errors.Join(err, ctx.Err()), m.Console())
		return nil, errors.Join(err, m.Close())
	}
	m.conn, m.in = conn, bufio.NewReader(conn)
	if _, err := m.answer(ctx); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// Run runs a script with the guest's shell and returns what it printed on both outputs. The error
// is a *ScriptError if the script failed; after any other error, also the end of ctx, the machine
// is of no more use.
func (m *Machine) Run(ctx context.Context, script string) (string, error) {
	if _, err := fmt.Fprintf(m.conn, "%d\n%s", len(script), script); err != nil {
		return "", fmt.Errorf("vm: %w\n%s", err, m.Console())
	}
	return m.answer(ctx)
}

// answer waits for the result of a script.
func (m *Machine) answer(ctx context.Context) (string, error) {
	// Closing the connection is what ends a read, whoever does it.
	stop := context.AfterFunc(ctx, func() { m.conn.Close() })
	defer stop()
	status, out, err := readAnswer(m.in)
	switch {
	case ctx.Err() != nil:
		return out, fmt.Errorf("vm: no answer from the guest: %w\n%s", ctx.Err(), m.Console())
	case err != nil:
		return out, fmt.Errorf("vm: the guest is gone: %w\n%s", err, m.Console())
	case status != 0:
		return out, &ScriptError{Status: status, Output: out}
	}
	return out, nil
}

// readAnswer reads a status, a length and as many bytes of output.
func readAnswer(r *bufio.Reader) (status int, out string, err error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return 0, line, err
	}
	s, l, _ := strings.Cut(strings.TrimSpace(line), " ")
	status, err1 := strconv.Atoi(s)
	length, err2 := strconv.Atoi(l)
	if err1 != nil || err2 != nil || length < 0 || length > maxOutput {
		return 0, line, fmt.Errorf("answer %q", line)
	}
	data := make([]byte, length)
	_, err = io.ReadFull(r, data)
	return status, string(data), err
}

// Console returns the end of what the kernel and the emulator printed.
func (m *Machine) Console() string {
	const end = 4 << 10
	var all []byte
	for _, name := range []string{filepath.Join(m.dir, "stderr"), m.console} {
		data, err := os.ReadFile(name)
		if err != nil {
			continue // none was printed
		}
		all = append(all, data[max(0, len(data)-end):]...)
	}
	return strings.ReplaceAll(string(all), "\r", "")
}

// Close ends the guest at once, as pulling the plug does, and frees what it used. It may be
// called more than once, and while Run waits.
func (m *Machine) Close() error {
	var err error
	m.closing.Do(func() {
		if m.conn != nil {
			m.conn.Close()
		}
		_ = m.cmd.Process.Kill() // it may have ended by itself
		<-m.exited
		err = os.RemoveAll(m.dir)
	})
	return err
}
