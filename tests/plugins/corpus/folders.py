# Files and folders by SFTP.
import stat
from starcluster.clustersetup import ClusterSetup

BASE = '/var/tmp/folders'


class Folders(ClusterSetup):
    def run(self, nodes, master, user, user_shell, volumes):
        if master.ssh.path_exists('/var/tmp/folders/seen'):
            return  # done at the start
        ssh = master.ssh
        ssh.execute('rm -rf ' + BASE)
        ssh.mkdir(BASE)
        ssh.mkdir(BASE, ignore_failure=True)
        ssh.mkdir(BASE + '/narrow', mode=0700)
        ssh.makedirs(BASE + '/deep/er/est', 0755)
        ssh.execute('cd %s; touch one.txt two.txt; ln -s nowhere dangling; printf "keep\\ndrop 1\\ndrop 2\\n" > lines' % BASE)
        ssh.chmod(0604, BASE + '/one.txt')
        owner = master.getpwnam(user)
        ssh.chown(owner.pw_uid, owner.pw_gid, BASE + '/two.txt')
        ssh.unlink(BASE + '/deep/er/est/../../../lines2') if ssh.path_exists(BASE + '/lines2') else None
        ssh.execute('touch %s/unwanted' % BASE)
        ssh.unlink(BASE + '/unwanted')
        seen = [ssh.path_exists(BASE + '/dangling'), ssh.lpath_exists(BASE + '/dangling'),
                ssh.isdir(BASE + '/deep'), ssh.isfile(BASE + '/deep'), ssh.isfile(BASE + '/one.txt'),
                oct(stat.S_IMODE(ssh.stat(BASE + '/one.txt').st_mode)), stat.S_ISLNK(ssh.lstat(BASE + '/dangling').st_mode),
                [p.split('/')[-1] for p in ssh.ls(BASE)], ssh.glob(BASE + '/*.txt'),
                ssh.get_remote_file_lines(BASE + '/lines', regex='^drop'),
                ssh.get_remote_file_lines(BASE + '/lines', '^drop', matching=False)]
        ssh.remove_lines_from_file(BASE + '/lines', 'drop [0-9]')
        f = ssh.remote_file(BASE + '/seen')
        for one in seen:
            print >> f, one
