// The viewer's words: Chinese, and English for those who ask for it.

const chinese = {
  series: '序列', film: '电子胶片', priors: '历史检查', images: '幅', report: '报告', basic: '简易版', list: '检查列表', page: '返回报告',
  close: '关闭', scroll: '翻页', window: '调窗', pan: '平移', zoom: '缩放', length: '长度', angle: '角度', ellipse: '椭圆', rectangle: '矩形',
  erase: '清除', fit: '适合', actual: '1:1', reset: '复位', rotate: '右转', rotateLeft: '左转', flipH: '左右翻', flipV: '上下翻',
  invert: '反相', layout: '布局', link: '联动', lines: '定位线', overlay: '信息', cine: '播放', stop: '停止', speed: '帧/秒', full: '全屏',
  save: '存图', print: '打印', download: '下载', tags: '标签', help: '帮助', keys: '关键图像', mpr: '三维重建', presets: '窗预设',
  original: '默认窗', more: '更多', loading: '加载中', retry: '重试', failed: '影像加载失败', offline: '网络连接已断开，恢复后自动继续。',
  ended: '会话已失效，请从业务系统重新打开。', none: '本检查没有可显示的影像。', upstream: '部分影像已上传至上级平台，本机不再保留。',
  onDetector: '探测器平面', uncalibrated: '未校准', area: '面积', mean: '均值', deviation: '标准差', range: '范围', zoomed: '缩放', thickness: '层厚', position: '位置',
  tag: '标签', value: '值', search: '查找', measure: '测量', view: '显示', key: '关键', slider: '图像位置', viewport: '影像窗口',
  noVolume: '本序列不能重建', needsGpu: '三维重建需要图形加速', waiting: '正在载入体数据', back: '返回', unreviewed: '未审核', revised: '已修订', critical: '危急', tools: '工具',
  chooseSeries: '选择一个序列', magnify: '放大镜', states: '显示状态', noState: '原始显示', gpu: '图形加速', gpuOn: '图形加速已开启，点按改用普通绘制',
  gpuOff: '普通绘制，点按开启图形加速', large: '影像过大，本机无法完整显示，请使用简易版。', again: '立即重试', noFrames: '该序列没有可在此显示的图像，请使用简易版。', tagList: 'DICOM 标签表',
  axial: '横断面', sagittal: '矢状面', coronal: '冠状面', cross: '十字线', enlarge: '单独放大', projected: '投影',
  brought: '图像窗', hardest: '硬', harder: '较硬', softer: '较软', softest: '软',
  mouse: '鼠标', left: '左键', middle: '中键', right: '右键', wheel: '滚轮', usual: '恢复默认',
  points: '设点', noReport: '该检查没有可在此显示的报告。',
};

export type Words = Record<keyof typeof chinese, string>;

const english: Words = {
  series: 'Series', film: 'Film', priors: 'Prior exams', images: 'images', report: 'Report', basic: 'Basic page', list: 'Exam list', page: 'Back to report',
  close: 'Close', scroll: 'Scroll', window: 'W/L', pan: 'Pan', zoom: 'Zoom', length: 'Length', angle: 'Angle', ellipse: 'Ellipse', rectangle: 'Rectangle',
  erase: 'Clear', fit: 'Fit', actual: '1:1', reset: 'Reset', rotate: 'Right', rotateLeft: 'Left', flipH: 'Flip H', flipV: 'Flip V',
  invert: 'Invert', layout: 'Layout', link: 'Link', lines: 'Lines', overlay: 'Overlay', cine: 'Play', stop: 'Stop', speed: 'fps', full: 'Full screen',
  save: 'Save', print: 'Print', download: 'Download', tags: 'Tags', help: 'Keys', keys: 'Key images', mpr: 'MPR', presets: 'Presets',
  original: 'Default', more: 'More', loading: 'Loading', retry: 'Try again', failed: 'The image could not be loaded', offline: 'The connection is lost; the images go on when it is back.',
  ended: 'The session has ended. Please open the link again.', none: 'This exam has no images to show.', upstream: 'Some images are kept by the upstream archive only.',
  onDetector: 'on detector', uncalibrated: 'uncalibrated', area: 'Area', mean: 'Mean', deviation: 'SD', range: 'Range', zoomed: 'Zoom', thickness: 'Thickness', position: 'Position',
  tag: 'Tag', value: 'Value', search: 'Search', measure: 'Measure', view: 'View', key: 'Key', slider: 'Image position', viewport: 'Viewport',
  noVolume: 'This series is no volume', needsGpu: 'MPR needs graphics acceleration', waiting: 'Loading the volume', back: 'Back', unreviewed: 'Not reviewed', revised: 'revised', critical: 'Critical', tools: 'Tools',
  chooseSeries: 'Choose a series', magnify: 'Magnifier', states: 'States', noState: 'As stored', gpu: 'Graphics', gpuOn: 'Graphics acceleration is on; press to draw without it',
  gpuOff: 'Drawn without graphics acceleration; press to use it', large: 'The image is too large for this device. Please use the basic page.', again: 'Try now', noFrames: 'This series has no images to show here. Please use the basic page.', tagList: 'DICOM tags',
  axial: 'Axial', sagittal: 'Sagittal', coronal: 'Coronal', cross: 'Crosshairs', enlarge: 'Enlarge', projected: 'projected',
  brought: 'Image window', hardest: 'Hard', harder: 'Harder', softer: 'Softer', softest: 'Soft',
  mouse: 'Mouse', left: 'Left button', middle: 'Middle button', right: 'Right button', wheel: 'Wheel', usual: 'As usual',
  points: 'points', noReport: 'There is no report of this exam to show here.',
};

export const isEnglish = document.documentElement.lang.startsWith('en');
export const words: Words = isEnglish ? english : chinese;
