package main

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// startPinned starts the command where w says: a child inherits that from the thread that starts
// it, which is as it was afterwards.
func startPinned(cmd *exec.Cmd, w where) (err error) {
	runtime.LockOSThread() // not unlocked if the thread cannot be restored: it ends then
	var old, only unix.CPUSet
	if err := unix.SchedGetaffinity(0, &old); err != nil {
		return fmt.Errorf("sched_getaffinity: %w", err)
	}
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return fmt.Errorf("getpriority: %w", err)
	}
	nice := 20 - raw // the system call's form, in which nothing is negative
	policy, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		return fmt.Errorf("sched_getattr: %w", err)
	}
	defer func() {
		back := errors.Join(unix.SchedSetaffinity(0, &old), unix.SchedSetAttr(0, policy, 0), unix.Setpriority(unix.PRIO_PROCESS, 0, nice))
		if back == nil {
			runtime.UnlockOSThread()
		}
		if err == nil && back != nil {
			killGroup(cmd)
			_ = cmd.Wait() // it was killed
			err = fmt.Errorf("restore a thread: %w", back)
		}
	}()
	only.Set(w.cpu)
	if err := unix.SchedSetaffinity(0, &only); err != nil {
		return fmt.Errorf("sched_setaffinity to CPU %d: %w", w.cpu, err)
	}
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, nice+w.nice); err != nil {
		return fmt.Errorf("setpriority: %w", err)
	}
	if w.last {
		idle := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}
		if err := unix.SchedSetAttr(0, &idle, 0); err != nil {
			return fmt.Errorf("sched_setattr: %w", err)
		}
	}
	return cmd.Start()
}

// checkCPUs wants both CPUs of the mode to be there.
func (m mode) checkCPUs() error {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return fmt.Errorf("sched_getaffinity: %w", err)
	}
	for _, cpu := range []int{m.client, m.server} {
		if !set.IsSet(cpu) {
			return fmt.Errorf("mode %s: CPU %d is not there for this process", m.name, cpu)
		}
	}
	return nil
}

// ownGroup puts the command into a process group of its own and makes the kernel kill it when
// this process ends.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// killGroup kills the command and what it started.
func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // it may have ended

// terminate asks the command and what it started to end.
func terminate(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) } // it may have ended

// freezeGroup stops the command and what it started, which cannot prevent it.
func freezeGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGSTOP) } // it may have ended

// thawGroup lets them go on.
func thawGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGCONT) } // it may have ended
