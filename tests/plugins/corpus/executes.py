# All that execute can do.
from starcluster import exception
from starcluster.clustersetup import ClusterSetup
from starcluster.logger import log


class Executes(ClusterSetup):
    def run(self, nodes, master, user, user_shell, volumes):
        if master.ssh.path_exists('/var/tmp/executes'):
            return  # done at the start
        ssh = master.ssh
        out = []
        out.append(ssh.execute('echo "  two words "; echo oops >&2; echo one'))
        out.append(ssh.execute('ls /no/such/place; echo on', ignore_exit_status=True)[-1])
        out.append(ssh.execute('false', raise_on_failure=False))
        out.append(ssh.execute("printf 'a\\001b'", only_printable=True))
        out.append(ssh.execute('pwd', source_profile=False, log_output=False))
        ssh.execute('echo seen on this terminal', silent=False)
        out.append(ssh.execute('sleep 0.1; echo later > /var/tmp/detached', detach=True))
        try:
            ssh.execute('echo why; exit 7')
        except exception.RemoteCommandFailed, e:
            out.append((e.exit_status, e.command, e.output))
        channel = ssh.execute_async('cat > /var/tmp/async; exit 3')
        channel.sendall('through the channel\n')
        channel.shutdown_write()
        out.append(channel.recv_exit_status())
        out.append(ssh.get_status('exit 4'))
        out.append(ssh.get_last_status())
        out.append(ssh.which('sh')[0].endswith('/sh'))
        out.append(ssh.which('no-such-program'))
        out.append(ssh.has_required(['sh', 'cat']))
        try:
            ssh.check_required(['sh', 'no-such-program'])
        except exception.RemoteCommandNotFound, e:
            out.append(e.msg.split()[-1])
        out.append(ssh.get_env()['HOME'])
        out.append('/var/tools/bin' in ssh.get_path())
        f = ssh.remote_file('/var/tmp/executes', 'w')
        f.write('\n'.join([str(one) for one in out]) + '\n')
        f.close()
