"""Commands over ssh: status, streams, environment, users."""

import asyncio
import concurrent.futures
import os
import subprocess

import pytest

from tests.contract.node.standin_node import Node

PATIENT = "trap 'echo got it; exit 5' USR1; echo up; while :; do sleep 0.05; done"


def test_the_exit_status_is_the_commands(node: Node) -> None:
    assert [node.ssh(f"exit {status}").returncode for status in (0, 1, 7, 255)] == [0, 1, 7, 255]


def test_output_and_errors_come_apart(node: Node) -> None:
    result = node.ssh("echo out; echo err >&2; exit 3")
    assert (result.returncode, result.stdout, result.stderr) == (3, b"out\n", b"err\n")


def test_an_exit_by_signal_is_told(node: Node) -> None:
    result = node.ssh("kill -KILL $$", "-v")
    assert result.returncode == 255
    assert b"exit-signal" in result.stderr


def test_streams_are_binary_clean_both_ways(node: Node) -> None:
    data = os.urandom(5_000_001)
    assert node.ssh("cat", given=data).stdout == data


def test_the_end_of_input_is_passed_on(node: Node) -> None:
    assert node.ssh("wc -c; echo after", given=b"x" * 1000).stdout == b"1000\nafter\n"


def test_a_command_that_reads_nothing_gets_input_all_the_same(node: Node) -> None:
    assert node.ssh("exec <&-; echo done", given=b"x" * 3_000_000).stdout == b"done\n"


def test_much_output_arrives_whole(node: Node) -> None:
    assert len(node.ssh("head -c 30000000 /dev/zero").stdout) == 30_000_000


def test_what_runs_on_in_the_background_does_not_hold_the_client(node: Node) -> None:
    node.ssh("setsid sleep 60 >/dev/null 2>&1 </dev/null & echo $! > /run/sleeper", limit=10)
    assert node.out("ps -o comm= -p $(cat /run/sleeper); kill $(cat /run/sleeper)") == "sleep"


def test_orphans_are_reaped(node: Node) -> None:
    node.ssh("for i in 1 2 3; do (setsid sleep 0.01 &) ; done; sleep 0.2")
    node.wait_for("! ps -e -o stat= | grep -q Z")


def test_the_environment_is_the_users(node: Node) -> None:
    lines = node.out("env; pwd", user="alice").splitlines()
    for line in ("HOME=/home/alice", "USER=alice", "LOGNAME=alice", "SHELL=/bin/bash", "MAIL=/var/mail/alice"):
        assert line in lines
    assert lines[-1] == "/home/alice"
    names = {line.split("=")[0] for line in lines}
    assert {"SSH_CLIENT", "SSH_CONNECTION", "PATH"} <= names
    assert not {"SSH_TTY", "TERM", "SSH_AUTH_SOCK"} & names


def test_the_clients_locale_is_taken_and_nothing_else(node: Node) -> None:
    given = {**os.environ, "LC_STAR": "here", "OTHER": "there"}
    result = node.run("ssh", "node", "echo $LC_STAR:$OTHER", env=given)
    assert result.stdout == b"here:\n"


def test_the_node_may_add_to_the_environment(node: Node) -> None:
    node.ssh("""printf '# ours\\nexport OURS="a b"\\n' >> /etc/environment""")
    assert node.out("echo $OURS", user="alice") == "a b"


def test_each_user_has_the_users_rights_and_groups(node: Node) -> None:
    assert "groups=" in node.out("id", user="alice")
    assert node.out("id -nG", user="alice") == "alice staff"
    assert node.ssh("cat /etc/shadow", user="alice").returncode == 1
    assert node.out("id -u") == "0"


def test_a_user_made_later_may_log_in(node: Node) -> None:
    node.ssh("useradd -m -s /bin/sh bob && cp -r .ssh /home/bob && chown -R bob: /home/bob")
    assert node.out("id -un; echo $0", user="bob") == "bob\nsh"
    node.ssh("userdel -r bob")
    assert node.ssh("true", user="bob").returncode == 255


def test_a_home_that_is_missing_is_told(node: Node) -> None:
    node.ssh("mv /home/alice/.ssh /run/keys && usermod -d /home/gone alice && mkdir -p /home/gone")
    node.ssh("chown alice: /home/gone && mv /run/keys /home/gone/.ssh && chmod 500 /home/gone")
    node.ssh("chmod 0 /home/gone && chown alice /home/gone")
    result = node.ssh("pwd", user="alice")
    node.ssh("chmod 700 /home/gone && mv /home/gone/.ssh /home/alice/ && usermod -d /home/alice alice")
    assert result.stdout == b"/\n"
    assert b"/home/gone" in result.stderr


def test_a_shell_that_refuses_tells_it(node: Node) -> None:
    node.ssh("mkdir -p /none && cp -r .ssh /none/ && chown -R nobody /none")
    result = node.ssh("true", user="nobody")
    assert result.returncode == 1
    assert b"not available" in result.stdout


def test_a_missing_shell_is_told(node: Node) -> None:
    node.ssh("usermod -s /bin/nonesuch alice")
    result = node.ssh("true", user="alice")
    node.ssh("usermod -s /bin/bash alice")
    assert (result.returncode, result.stderr) == (1, b"/bin/nonesuch: No such file or directory\n")


@pytest.mark.parametrize("place", ["/home/alice", "/home/alice/.ssh", "/home/alice/.ssh/authorized_keys"])
def test_keys_that_others_could_have_written_are_not_taken(node: Node, place: str) -> None:
    node.ssh(f"chmod g+w {place}")
    refused = node.ssh("true", user="alice").returncode
    node.ssh(f"chmod g-w {place}")
    assert (refused, node.ssh("true", user="alice").returncode) == (255, 0)


def test_only_public_keys_are_offered(node: Node) -> None:
    result = node.ssh("true", "-o", "PubkeyAuthentication=no", "-v", user="alice")
    assert b"Authentications that can continue: publickey\r\n" in result.stderr
    assert node.ssh("true", user="stranger").returncode == 255


def test_many_sessions_at_once(node: Node) -> None:
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        results = list(pool.map(lambda number: node.ssh(f"echo {number}", limit=60).stdout, range(60)))
    assert results == [f"{number}\n".encode() for number in range(60)]


def test_many_sessions_on_one_connection(node: Node) -> None:
    control = f"{node.folder}/control"
    master = subprocess.Popen(node.words("ssh", "-M", "-S", control, "-N", "node"))
    try:
        node.run("ssh", "-S", control, "-O", "check", "node")
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            again = pool.map(lambda number: node.out(f"echo {number}", "-S", control), range(100))
            assert list(again) == [str(number) for number in range(100)]
    finally:
        master.kill()
        master.wait()


def test_a_signal_sent_by_the_client_reaches_the_command(node: Node) -> None:
    import asyncssh

    async def work() -> object:
        dial = node.words("ssh", "-W", "127.0.0.1:22", "node")
        async with asyncssh.connect(
            "127.0.0.1", username="root", client_keys=[str(node.key)], known_hosts=None, proxy_command=dial
        ) as connection:
            process = await connection.create_process(
                "trap 'echo got it; exit 5' USR1; echo up; while :; do sleep 0.05; done"
            )
            assert await process.stdout.readline() == "up\n"
            process.send_signal("USR1")
            done = await process.wait()
            return done.stdout, done.exit_status

    assert asyncio.run(work()) == ("got it\n", 5)


def test_nodes_can_use_their_own_ssh(node: Node) -> None:
    node.ssh("cat > /root/.ssh/id_ed25519 && chmod 600 /root/.ssh/id_ed25519", given=node.key.read_bytes())
    inner = "ssh -o StrictHostKeyChecking=accept-new alice@localhost id -un"
    assert node.out(inner) == "alice"
    node.ssh("rm /root/.ssh/id_ed25519")
