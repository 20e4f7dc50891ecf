"""A program that misbehaves on demand: `bad_child.py WAY [ARGUMENT...]`; standard library only."""

import json
import os
import random
import signal
import sys
import threading
import time


def say(text):
    os.write(1, text.encode())


def forever():
    while True:
        time.sleep(3600)


def ignore(*names):
    for name in names:
        signal.signal(getattr(signal, name), signal.SIG_IGN)


def fork_off():
    """Fork; the parent ends at once with success, the child goes on."""
    if os.fork():
        os._exit(0)


def leave_session():
    """The classical daemon: out of the session, and no child of anybody who is still there."""
    if os.fork():
        return False
    os.setsid()
    fork_off()
    return True


def silence():
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)


def way_exit(code):
    sys.exit(int(code))


def way_signal(name):
    os.kill(os.getpid(), getattr(signal, name))
    forever()


def way_sleep(seconds):
    time.sleep(float(seconds))


def way_environment():
    say(json.dumps(dict(os.environ)))


def way_descriptors():
    say(json.dumps(sorted(int(fd) for fd in os.listdir("/proc/self/fd") if int(fd) > 2)[:-1]))


def way_folder():
    say(os.getcwd())


def way_session():
    say(json.dumps([os.getpid(), os.getsid(0), os.getpgid(0)]))


def way_echo():
    say(sys.stdin.read())


def way_lines(count, width="0"):
    line = "x" * int(width)
    sys.stdout.reconfigure(line_buffering=False, write_through=False)
    for number in range(int(count)):
        sys.stdout.write(f"{number} {line}\n")


def way_long_line(size):
    block = b"x" * 65536
    for _ in range(int(size) // 65536):
        os.write(1, block)


def way_pieces(pause, *pieces):
    for piece in pieces:
        os.write(1, bytes.fromhex(piece))
        time.sleep(float(pause))


def way_both():
    for number in range(3):
        os.write(1, f"out {number}\n".encode())
        os.write(2, f"err {number}\n".encode())


def way_last_instant():
    os.write(1, b"first\n")
    os.write(1, b"last\n")
    os._exit(0)


def way_close_output(seconds):
    say("closing\n")
    os.close(1)
    os.close(2)
    time.sleep(float(seconds))


def way_busy(seconds):
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        pass


def way_burn(cpu_seconds):
    while time.process_time() < float(cpu_seconds):
        pass


def way_reads_and_writes(path, seconds):
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        with open(path, "ab", buffering=0) as file:
            file.write(b"x" * 100)
        time.sleep(0.05)


def way_talks(port, *how):
    """Over a connection, by recv(2) and send(2), which /proc/PID/io does not count."""
    import select
    import socket

    family = socket.AF_INET6 if "ipv6" in how else socket.AF_INET
    with socket.socket(family) as peer:
        peer.connect(("::1" if "ipv6" in how else "127.0.0.1", int(port)))
        if "sends" in how:
            for _ in range(10):
                peer.send(b"x" * 1000)
                time.sleep(0.1)
            forever()
        elif "ignores" in how:
            forever()
        elif "polls" in how:
            while not select.select([peer], [], [], 0.05)[0] or peer.recv(65536):
                pass
        else:
            while peer.recv(65536):
                pass


def way_waits(for_what):
    """For something that never comes, in one of the ways that programs wait."""
    import fcntl
    import select
    import socket

    if for_what == "lock":
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()
    elif for_what == "file lock":
        with open(__file__) as one, open(__file__) as other:
            fcntl.flock(one, fcntl.LOCK_EX)
            fcntl.flock(other, fcntl.LOCK_EX)
    elif for_what == "poll":
        while True:
            select.select([], [], [], 0.05)
    elif for_what == "datagram":
        with socket.socket(type=socket.SOCK_DGRAM) as nobody:
            nobody.bind(("127.0.0.1", 0))
            nobody.recv(100)


def way_ignores_term():
    ignore("SIGTERM", "SIGINT", "SIGHUP")
    say("ready\n")
    forever()


def way_slow_to_end(seconds="0"):
    def end(*_):
        time.sleep(float(seconds))
        os._exit(0)

    signal.signal(signal.SIGTERM, end)
    say("ready\n")
    forever()


def way_stops_itself():
    say("ready\n")
    os.kill(os.getpid(), signal.SIGSTOP)
    forever()


def way_orphan(seconds, *how):
    """A child in our own group outlives us."""
    fork_off()
    if "silent" in how:
        silence()
    if "stubborn" in how:
        ignore("SIGTERM")
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        if "writes" in how:
            os.write(1, b"still here\n")
        time.sleep(0.01)


def way_daemon(*how):
    """A daemon that left the session; we end at once, or never."""
    if leave_session():
        ignore("SIGTERM", "SIGHUP")
        if "silent" in how:
            silence()
        while True:
            if "writes" in how:
                os.write(1, b"x" * 4096)
            time.sleep(0.001 if "writes" in how else 3600)
    os.wait()
    say("started\n")
    if "stays" in how:
        forever()


def become_nameless(seconds):
    """A program without environment; the tests know it by its own name."""
    os.execve("/bin/sleep", [os.environ.get("LAB_MARK", "sleep"), seconds], {})


def way_scrubbed_daemon(seconds, *how):
    """A daemon that left the session and dropped the environment, and holds our output."""
    if leave_session():
        become_nameless(seconds)
    os.wait()
    os.write(1, b"x" * 10_000)
    if "stays" in how:
        forever()


def way_hopper(count="1", pause="0.001"):
    """Daemons that are new processes with every pause, each time in sessions of their own."""
    if leave_session():
        for _ in range(int(count) - 1):
            if os.fork() == 0:
                break
        silence()
        ignore("SIGTERM", "SIGCHLD")
        while True:
            fork_off()
            os.setsid()
            time.sleep(float(pause))
    os.wait()


def way_random(seed):  # noqa: PLR0912  # as many ways as it takes
    """A tree that nobody has planned: each process forks, leaves, ignores, writes or ends."""
    dice = random.Random(seed)
    for _ in range(dice.randrange(1, 7)):
        pick = dice.randrange(1 << 30)
        if os.fork() == 0:
            dice = random.Random(pick)
            if dice.random() < 0.4:
                os.setsid()
            elif dice.random() < 0.2:
                os.setpgid(0, 0)
            if dice.random() < 0.5:
                ignore("SIGTERM", "SIGHUP", "SIGINT")
            if dice.random() < 0.3:
                silence()
            if dice.random() < 0.2:
                ignore("SIGCHLD")
    kind = dice.random()
    time.sleep(dice.random() * 0.05)
    if kind < 0.3:
        os._exit(dice.randrange(3))
    if kind < 0.4:
        os.kill(os.getpid(), signal.SIGSTOP)
    if kind < 0.5:
        become_nameless("3600")
    while True:
        if kind < 0.7 and dice.random() < 0.5:
            os.write(1, b"x" * dice.randrange(1, 5000))
        if kind < 0.6:
            time.sleep(0.002)
            fork_off()
        else:
            time.sleep(dice.random() * 0.1)


def way_thread_forks():
    """The child of a thread, in a session of its own, which says when it is asked to end."""

    def fork():
        if os.fork() == 0:
            os.setsid()
            signal.signal(signal.SIGTERM, lambda *_: (say("bye\n"), os._exit(0)))
            say("ready\n")
            forever()
        forever()

    threading.Thread(target=fork, daemon=True).start()
    forever()


def way_masks():
    with open("/proc/self/status") as file:
        words = dict(line.split(":", 1) for line in file)
    say(json.dumps([words["SigBlk"].strip(), words["SigIgn"].strip()]))


def way_brood(count):
    for _ in range(int(count)):
        if os.fork() == 0:
            forever()
    say("ready\n")
    forever()


def way_zombies(count):
    for _ in range(int(count)):
        if os.fork() == 0:
            os._exit(0)
    time.sleep(0.1)
    say("ready\n")
    forever()


def way_done(seconds, code):
    say("working\nall DO")
    time.sleep(0.05)
    say("NE now\n")
    time.sleep(float(seconds))
    os._exit(int(code))


def way_memory(megabytes, seconds):
    held = bytearray(int(megabytes) * 1024 * 1024)
    time.sleep(float(seconds))
    del held


if __name__ == "__main__":
    globals()["way_" + sys.argv[1]](*sys.argv[2:])
