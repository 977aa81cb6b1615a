package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// killDelay is how long a command may take to end after an interrupt.
const killDelay = 10 * time.Second

// command returns the command with env added to the environment, to be run in the module's root.
func (c *checker) command(ctx context.Context, env []string, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = c.root
	cmd.Env = append(os.Environ(), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = killDelay
	return cmd
}

// run prints the command, runs it, and passes its output on.
func (c *checker) run(ctx context.Context, env []string, name string, args ...string) error {
	return c.tee(ctx, c.out, nil, env, name, args...)
}

// tee is run with the output going to w, and standard input, if any, coming from r.
func (c *checker) tee(ctx context.Context, w io.Writer, r io.Reader, env []string, name string, args ...string) error {
	line := strings.Join(append(append([]string{}, env...), append([]string{name}, args...)...), " ")
	fmt.Fprintf(c.out, "+ %s\n", line)
	cmd := c.command(ctx, env, name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = r, w, w
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", line, err)
	}
	return nil
}

// output returns what the command prints on its standard output.
func (c *checker) output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := c.command(ctx, nil, name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, stderr.Bytes())
	}
	return string(out), nil
}

// lines splits what output returns.
func lines(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' })
}
