// Names of the attributes that people look for in an image.

import { isEnglish } from '../words.ts';

const NAMES: Record<string, [string, string]> = {
  '00080008': ['图像类型', 'Image Type'], '00080012': ['实例创建日期', 'Instance Creation Date'], '00080016': ['SOP 类', 'SOP Class UID'],
  '00080018': ['SOP 实例', 'SOP Instance UID'], '00080020': ['检查日期', 'Study Date'], '00080021': ['序列日期', 'Series Date'],
  '00080022': ['采集日期', 'Acquisition Date'], '00080023': ['图像日期', 'Content Date'], '00080030': ['检查时间', 'Study Time'],
  '00080031': ['序列时间', 'Series Time'], '00080032': ['采集时间', 'Acquisition Time'], '00080033': ['图像时间', 'Content Time'],
  '00080050': ['检查号', 'Accession Number'], '00080060': ['设备类型', 'Modality'], '00080070': ['厂商', 'Manufacturer'],
  '00080080': ['机构', 'Institution Name'], '00080090': ['申请医生', "Referring Physician's Name"], '00081010': ['工作站', 'Station Name'],
  '00081030': ['检查描述', 'Study Description'], '0008103E': ['序列描述', 'Series Description'], '00081090': ['型号', "Manufacturer's Model Name"],
  '00083002': ['传输语法', 'Available Transfer Syntax UID'], '00080005': ['字符集', 'Specific Character Set'],
  '00100010': ['姓名', "Patient's Name"], '00100020': ['病人号', 'Patient ID'], '00100030': ['出生日期', "Patient's Birth Date"],
  '00100040': ['性别', "Patient's Sex"], '00101010': ['年龄', "Patient's Age"], '00101020': ['身高', "Patient's Size"], '00101030': ['体重', "Patient's Weight"],
  '00180015': ['检查部位', 'Body Part Examined'], '00180020': ['扫描序列', 'Scanning Sequence'], '00180050': ['层厚', 'Slice Thickness'],
  '00180060': ['管电压', 'KVP'], '00180080': ['重复时间', 'Repetition Time'], '00180081': ['回波时间', 'Echo Time'], '00180087': ['磁场强度', 'Magnetic Field Strength'],
  '00180088': ['层间距', 'Spacing Between Slices'], '00181030': ['协议', 'Protocol Name'], '00181040': ['对比剂途径', 'Contrast/Bolus Route'],
  '00181150': ['曝光时间', 'Exposure Time'], '00181151': ['管电流', 'X-Ray Tube Current'], '00181152': ['曝光量', 'Exposure'],
  '00181164': ['探测器像素间距', 'Imager Pixel Spacing'], '00181210': ['重建卷积核', 'Convolution Kernel'], '00185100': ['体位', 'Patient Position'],
  '0020000D': ['检查 UID', 'Study Instance UID'], '0020000E': ['序列 UID', 'Series Instance UID'], '00200010': ['检查 ID', 'Study ID'],
  '00200011': ['序列号', 'Series Number'], '00200012': ['采集号', 'Acquisition Number'], '00200013': ['图像号', 'Instance Number'],
  '00200020': ['病人方位', 'Patient Orientation'], '00200032': ['图像位置', 'Image Position (Patient)'], '00200037': ['图像方位', 'Image Orientation (Patient)'],
  '00200052': ['参考坐标系', 'Frame of Reference UID'], '00201041': ['层面位置', 'Slice Location'], '00280002': ['每像素采样', 'Samples per Pixel'],
  '00280004': ['光度解释', 'Photometric Interpretation'], '00280008': ['帧数', 'Number of Frames'], '00280010': ['行数', 'Rows'], '00280011': ['列数', 'Columns'],
  '00280030': ['像素间距', 'Pixel Spacing'], '00280034': ['像素宽高比', 'Pixel Aspect Ratio'], '00280100': ['分配位数', 'Bits Allocated'],
  '00280101': ['存储位数', 'Bits Stored'], '00280102': ['最高位', 'High Bit'], '00280103': ['像素表示', 'Pixel Representation'],
  '00281050': ['窗位', 'Window Center'], '00281051': ['窗宽', 'Window Width'], '00281052': ['截距', 'Rescale Intercept'], '00281053': ['斜率', 'Rescale Slope'],
  '00281054': ['单位', 'Rescale Type'], '00282110': ['有损压缩', 'Lossy Image Compression'], '7FE00010': ['像素数据', 'Pixel Data'],
};

export const nameOf = (tag: string): string => NAMES[tag]?.[isEnglish ? 1 : 0] ?? '';
